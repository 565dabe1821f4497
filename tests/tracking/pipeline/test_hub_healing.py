"""Healing: lost messages are read from the database, and failed parts are used again."""

import asyncio

import pytest

from tracking.engine import receiver as receiver_module
from tracking.pipeline import hub as hub_module
from tracking.pipeline.broadcast import shard_of
from tracking.protocol import encode_unknown

from ..fakes import DEADLINE, settle, within_deadline
from ..watchers import Watcher, frame, join, moved, publish


@pytest.fixture
def retry_soon(monkeypatch):
    monkeypatch.setattr(receiver_module, "RETRY_AFTER", 0.01)


async def test_a_lost_message_heals_from_the_database(hub, layer, stored, heal_often):
    watcher = await join(hub)
    layer.losing = True
    await publish(layer, moved(1))
    stored.values[19] = moved(1)
    await watcher.client.events.reach(1)
    assert watcher.frames == [frame(1)]


async def test_healing_reads_only_what_is_quiet(hub, layer, stored, monkeypatch):
    monkeypatch.setattr(hub_module, "HEAL_INTERVAL", 0.05)
    await join(hub, 19)
    lively = await join(hub, 20)
    second = 0
    while len(stored.calls) < 6:
        second += 1
        await publish(layer, moved(second, 20))
        await lively.client.events.reach(second)
        await asyncio.sleep(0.005)
    assert [19] in stored.calls[2:]
    assert all(20 not in call for call in stored.calls[3:])


async def test_healing_does_not_send_again_what_was_seen(hub, stored, heal_often):
    stored.values[19] = moved(1)
    watcher = await join(hub)
    await stored.calls.reach(5)
    assert watcher.frames == [frame(1)]


@pytest.mark.parametrize("method", ["new_channel", "group_add"])
async def test_without_the_channel_layer_watchers_get_fixes_from_the_database_until_it_is_back(
    hub, layer, stored, heal_often, retry_soon, method
):
    layer.failing.add(method)
    stored.values[19] = moved(1)
    watcher = await join(hub)
    stored.values[19] = moved(2)
    await watcher.client.events.reach(2)
    layer.failing.clear()
    await layer.added.reach(1)
    await settle()
    await publish(layer, moved(3))
    await watcher.client.events.reach(3)
    assert watcher.frames == [frame(1), frame(2), frame(3)]


async def test_a_receive_that_fails_is_tried_again(hub, layer, stored, retry_soon):
    layer.failing.add("receive")
    watcher = await join(hub)
    await layer.calls["receive"].reach(3)
    layer.failing.clear()
    await publish(layer, moved(1))
    await watcher.client.events.reach(1)


async def test_a_shard_that_cannot_be_left_keeps_nobody_from_healing(
    hub, layer, stored, heal_often
):
    leaving, staying = await join(hub, 20), await join(hub, 19)
    layer.failing.add("group_discard")
    hub.leave(20, leaving.outbox)
    await layer.calls["group_discard"].reach(1)
    layer.losing = True
    stored.values[19] = moved(1)
    await staying.client.events.reach(1)
    assert staying.frames == [frame(1)]


async def test_a_shard_is_watched_again_while_it_is_being_left(hub, layer, heal_often):
    leaving = await join(hub, 19)
    layer.hold = asyncio.Event()
    hub.leave(19, leaving.outbox)
    await layer.calls["group_discard"].reach(1)
    watcher = Watcher()
    joining = asyncio.create_task(hub.join(19, watcher.outbox))
    await settle()
    layer.hold.set()
    await within_deadline(joining)
    await layer.discarded.reach(1)
    await layer.added.reach(2)
    await publish(layer, moved(1))
    await watcher.client.events.reach(1)


async def test_healing_during_a_slow_join_opens_no_second_channel(hub, layer, heal_often):
    layer.hold = asyncio.Event()
    watcher = Watcher()
    joining = asyncio.create_task(hub.join(19, watcher.outbox))
    await asyncio.sleep(0.05)  # real time must pass: several rounds of healing
    layer.hold.set()
    await within_deadline(joining)
    await settle()
    assert len(layer.calls["new_channel"]) == 1


async def test_a_database_that_is_unavailable_on_joining_heals(
    hub, layer, stored, heal_often, caplog
):
    stored.error = OSError("unavailable")
    watcher = await join(hub)
    await stored.calls.reach(3)
    assert watcher.frames == []
    stored.error = None
    stored.values[19] = moved(1)
    await watcher.client.events.reach(1)
    assert watcher.frames == [frame(1)]


async def test_driver_without_a_location_is_unknown_once_the_database_is_back(
    hub, stored, heal_often
):
    stored.error = OSError("unavailable")
    watcher = Watcher()
    await within_deadline(hub.join(19, watcher.outbox, details=True))
    await stored.calls.reach(3)
    assert watcher.frames == []
    stored.error = None
    await watcher.client.events.reach(1)
    await stored.calls.reach(len(stored.calls) + 3)
    assert watcher.frames == [encode_unknown(19)]


async def test_late_fixes_hide_no_newer_one_that_was_lost(hub, stored, heal_often):
    stored.values[19] = moved(2)
    watcher = await join(hub)
    stored.values[19] = moved(3)
    async with asyncio.timeout(DEADLINE):
        while len(watcher.frames) < 2:
            hub.deliver(moved(1))
            await asyncio.sleep(0.001)
    assert watcher.frames == [frame(2), frame(3)]


async def test_live_fixes_flow_while_the_database_is_unavailable(hub, layer, stored, heal_often):
    stored.error = OSError("unavailable")
    watcher = await join(hub)
    await publish(layer, moved(1))
    await watcher.client.events.reach(1)
    assert watcher.frames == [frame(1)]


async def test_a_batch_that_does_not_decode_is_survived(hub, layer, retry_soon, caplog):
    watcher = await join(hub)
    await layer.group_send(shard_of(19), {"type": "tracking.fixes", "fixes": b"\xc1"})
    await layer.group_send(shard_of(19), {"type": "something.else"})
    await publish(layer, moved(1))
    await watcher.client.events.reach(1)
    assert watcher.frames == [frame(1)]
    assert "lost" in caplog.text


async def test_a_batch_that_does_not_decode_does_not_delay_the_next(hub, layer, monkeypatch):
    monkeypatch.setattr(receiver_module, "RETRY_AFTER", 3600.0)
    watcher = await join(hub)
    await layer.group_send(shard_of(19), {"type": "tracking.fixes", "fixes": b"\xc1"})
    await publish(layer, moved(1))
    await watcher.client.events.reach(1)
    assert watcher.frames == [frame(1)]
