"""Watchers that are slow, disconnected or leaving, and the end of the hub itself."""

import asyncio

import pytest

from tracking.pipeline.broadcast import encode_batch, shard_of

from ..fakes import ELSEWHERE, settle, within_deadline
from ..watchers import Watcher, frame, join, moved, publish


async def test_a_watcher_that_does_not_read_delays_nobody_and_then_gets_the_newest(hub, layer):
    slow, quick = await join(hub), await join(hub)
    slow.client.stop_reading()
    for second in range(1, 11):
        await publish(layer, moved(second))
        await quick.client.events.reach(second)
    slow.client.read_on()
    await slow.client.events.reach(2)
    await settle()
    assert slow.frames == [frame(1), frame(10)]
    assert quick.frames == [frame(second) for second in range(1, 11)]


@pytest.mark.parametrize("error", [OSError("disconnected"), RuntimeError("a bug of the server's")])
async def test_a_disconnected_watcher_disturbs_nobody(hub, layer, error):
    broken, staying = await join(hub), await join(hub)
    broken.client.error = error
    for second in (1, 2, 3):
        await publish(layer, moved(second))
        await staying.client.events.reach(second)
    assert staying.frames == [frame(1), frame(2), frame(3)]


async def test_a_watcher_that_leaves_gets_nothing_more(hub, layer):
    leaving, staying = await join(hub), await join(hub)
    hub.leave(19, leaving.outbox)
    await publish(layer, moved(1))
    await staying.client.events.reach(1)
    assert leaving.frames == []


async def test_leaving_without_having_joined_is_harmless(hub):
    hub.leave(19, Watcher().outbox)
    await join(hub)
    hub.leave(19, Watcher().outbox)


async def test_leaving_while_joining_is_harmless(hub, layer, stored):
    stored.values[19] = moved(1)
    stored.gate.clear()
    leaving = Watcher()
    joining = asyncio.create_task(hub.join(19, leaving.outbox))
    await stored.calls.reach(1)
    joining.cancel()
    await asyncio.wait([joining])
    hub.leave(19, leaving.outbox)
    stored.gate.set()
    watcher = await join(hub)
    assert (leaving.frames, watcher.frames) == ([], [frame(1)])


async def test_a_shard_that_nobody_watches_any_more_is_left(hub, layer, heal_often):
    watcher = await join(hub, 19)
    staying = await join(hub, 20)
    hub.leave(19, watcher.outbox)
    await layer.discarded.reach(1)
    assert layer.discarded == [shard_of(19)]
    assert shard_of(20) in layer.groups
    again = await join(hub, 19)
    await publish(layer, moved(1, 19), moved(2, 20))
    await again.client.events.reach(1)
    await staying.client.events.reach(1)


async def test_a_large_batch_leaves_turns_to_others(hub, layer):
    watchers = [await join(hub, 4 * number) for number in range(1, 1_001)]
    fixes = [moved(1, 4 * number) for number in range(1, 1_001)]
    await layer.group_send(shard_of(4), encode_batch(fixes, ELSEWHERE))
    seen = []
    while len(watchers[-1].frames) < 1:
        seen.append(sum(len(watcher.frames) for watcher in watchers))
        await asyncio.sleep(0)
    partial = [count for count in seen if 0 < count < 1_000]
    assert len(partial) >= 2


async def test_closing_ends_every_task(hub, receiver):
    await join(hub)
    assert len(asyncio.all_tasks()) > 1
    await within_deadline(hub.close())
    await within_deadline(receiver.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_an_idle_hub_is_harmless(hub):
    await within_deadline(hub.close())
