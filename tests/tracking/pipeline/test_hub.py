import asyncio

import pytest

from tracking.pipeline import hub as hub_module
from tracking.pipeline.broadcast import encode_batch, shard_of
from tracking.protocol import encode_details
from tracking.status import Status

from ..fakes import DEADLINE, HERE, fix_of, settle, within_deadline
from ..watchers import Watcher, frame, join, moved, publish

# Joining


async def test_a_watcher_gets_the_snapshot_first_and_then_every_newer_fix(hub, layer, stored):
    stored.values[19] = moved(1)
    watcher = await join(hub)
    for second in (2, 3):
        await publish(layer, moved(second))
        await watcher.client.events.reach(second)
    assert watcher.frames == [frame(1), frame(2), frame(3)]


async def test_a_driver_without_a_location_gives_no_snapshot(hub, layer):
    watcher = await join(hub)
    assert watcher.frames == []
    await publish(layer, moved(1))
    await watcher.client.events.reach(1)
    assert watcher.frames == [frame(1)]


async def test_a_fix_that_arrives_between_joining_and_reading_is_not_lost(hub, layer, stored):
    stored.values[19] = moved(1)
    stored.gate.clear()
    watcher = Watcher()
    joining = asyncio.create_task(hub.join(19, watcher.outbox))
    await stored.calls.reach(1)
    await publish(layer, moved(2))
    await settle()
    stored.gate.set()
    await within_deadline(joining)
    assert watcher.frames == [frame(2)]


@pytest.mark.parametrize("details", [False, True])
async def test_late_fix_that_arrives_between_joining_and_reading_is_not_shown(hub, stored, details):
    stored.values[19] = moved(2)
    stored.gate.clear()
    watchers = [Watcher() for _ in range(2)]
    joining = [
        asyncio.create_task(hub.join(19, watcher.outbox, details=details)) for watcher in watchers
    ]
    await stored.calls.reach(1)
    assert hub.deliver(moved(1)) == 0
    await settle()
    assert [watcher.frames for watcher in watchers] == [[], []]
    stored.gate.set()
    await within_deadline(asyncio.gather(*joining))
    expected = encode_details(moved(2), Status.OFFLINE) if details else frame(2)
    assert [watcher.frames for watcher in watchers] == [[expected]] * 2


async def test_live_fixes_do_not_wait_for_a_database_that_hangs(hub, stored, monkeypatch):
    monkeypatch.setattr(hub_module, "SNAPSHOT_TIMEOUT", 0.05)
    stored.gate.clear()
    watcher = Watcher()
    joining = asyncio.create_task(hub.join(19, watcher.outbox))
    await stored.calls.reach(1)
    hub.deliver(moved(1))
    assert watcher.frames == []
    await watcher.client.events.reach(1)
    hub.deliver(moved(2))
    assert watcher.frames == [frame(1), frame(2)]
    stored.gate.set()
    await within_deadline(joining)


async def test_watcher_that_stops_and_starts_again_sees_nothing_older_than_before(hub, stored):
    """This holds even if the newest location that it saw is not stored yet."""
    stored.values[19] = moved(1)
    watcher = await join(hub)
    hub.deliver(moved(3))
    seen = hub.leave(19, watcher.outbox)
    hub.deliver(moved(2))
    await within_deadline(hub.join(19, watcher.outbox, seen=seen))
    hub.deliver(moved(2))
    assert watcher.frames == [frame(1), frame(3), frame(3)]


async def test_the_shard_is_joined_before_the_snapshot_is_read(hub, layer, stored):
    layer.hold = asyncio.Event()
    watcher = Watcher()
    joining = asyncio.create_task(hub.join(19, watcher.outbox))
    await settle()
    assert stored.calls == []
    layer.hold.set()
    await within_deadline(joining)
    assert stored.calls == [[19]]


async def test_a_second_watcher_gets_the_newest_at_once_and_costs_no_query(hub, layer, stored):
    stored.values[19] = moved(1)
    first = await join(hub)
    await publish(layer, moved(2))
    await first.client.events.reach(2)
    second = await join(hub)
    assert second.frames == [frame(2)]
    assert len(stored.calls) == 1


async def test_watchers_who_join_together_share_the_query_and_each_get_one_snapshot(
    hub, layer, stored
):
    stored.values = {driver_id: moved(1, driver_id) for driver_id in (1, 2, 3)}
    watchers = [Watcher() for _ in range(30)]
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(
            *[hub.join(number % 3 + 1, w.outbox) for number, w in enumerate(watchers)]
        )
    await settle()
    assert [watcher.frames for watcher in watchers] == [[frame(1)]] * 30
    assert len(stored.calls) == 1
    assert len(layer.calls["new_channel"]) == 1


async def test_a_watcher_who_joins_again_gets_the_newest_again_and_later_ones_once(
    hub, layer, stored
):
    stored.values[19] = moved(1)
    watcher = await join(hub)
    await within_deadline(hub.join(19, watcher.outbox))
    await publish(layer, moved(2))
    await watcher.client.events.reach(3)
    await settle()
    assert watcher.frames == [frame(1), frame(1), frame(2)]


async def test_a_hundred_drivers_need_one_channel_and_one_membership_per_shard(hub, layer):
    for driver_id in range(1, 101):
        await join(hub, driver_id)
    assert len(layer.calls["new_channel"]) == 1
    assert len(layer.calls["group_add"]) == 4


# Order


async def test_a_watcher_never_sees_an_older_location_after_a_newer_one(hub, layer, stored):
    stored.values[19] = moved(5)
    watcher = await join(hub)
    await publish(layer, moved(4), moved(6), moved(3), moved(6), moved(5), moved(7))
    await watcher.client.events.reach(3)
    await settle()
    assert watcher.frames == [frame(5), frame(6), frame(7)]


async def test_an_older_snapshot_never_follows_a_live_fix(hub, layer, stored, heal_often):
    watcher = await join(hub)
    await publish(layer, moved(5))
    await watcher.client.events.reach(1)
    stored.values[19] = moved(4)
    await stored.calls.reach(4)
    assert watcher.frames == [frame(5)]


async def test_the_snapshot_of_a_location_is_the_same_bytes_as_its_live_frame(hub, layer, stored):
    live = await join(hub)
    fix = fix_of(19, 1, latitude=0.1 + 0.2, longitude=-179.9999999)
    await publish(layer, fix)
    await live.client.events.reach(1)
    hub.leave(19, live.outbox)
    stored.values[19] = fix
    later = await join(hub)
    assert later.frames == live.frames


async def test_only_watchers_of_the_driver_get_its_fixes(hub, layer):
    watcher, neighbour = await join(hub, 19), await join(hub, 23)
    await publish(layer, moved(1, 19), moved(2, 27))
    await watcher.client.events.reach(1)
    await settle()
    assert (watcher.frames, neighbour.frames) == ([frame(1)], [])


# Drivers that are connected to this worker


async def test_a_fix_of_this_workers_own_driver_reaches_its_watchers_within_the_call(hub):
    watchers = [await join(hub) for _ in range(3)]
    assert hub.deliver(moved(1)) == 3
    assert [watcher.frames for watcher in watchers] == [[frame(1)]] * 3


async def test_a_fix_that_nobody_watches_or_that_is_not_newer_is_delivered_to_nobody(hub):
    assert hub.deliver(moved(1)) == 0
    await join(hub)
    assert hub.deliver(moved(2)) == 1
    assert hub.deliver(moved(2)) == 0
    assert hub.deliver(moved(1)) == 0


async def test_a_batch_of_this_worker_is_not_delivered_twice(hub, layer):
    watcher = await join(hub)
    hub.deliver(moved(1))
    hub.deliver(moved(2))
    await layer.group_send(shard_of(19), encode_batch([moved(1)], HERE))
    await publish(layer, moved(3))
    await watcher.client.events.reach(3)
    assert watcher.frames == [frame(1), frame(2), frame(3)]


async def test_a_fix_of_this_worker_is_not_overtaken_by_a_slow_snapshot(hub, stored):
    stored.values[19] = moved(1)
    stored.gate.clear()
    watcher = Watcher()
    joining = asyncio.create_task(hub.join(19, watcher.outbox))
    await stored.calls.reach(1)
    hub.deliver(moved(2))
    stored.gate.set()
    await within_deadline(joining)
    assert watcher.frames == [frame(2)]


async def test_a_follower_or_a_feed_that_fails_is_no_fault_of_the_driver_or_of_other_watchers(
    hub, layer, monkeypatch, caplog
):
    def fail(fix):
        raise LookupError("a bug")

    await hub.follow(fail)
    watcher = await join(hub)
    other = Watcher()
    await hub.join(20, other.outbox)
    monkeypatch.setattr(type(hub._feeds[20]), "offer", failing_for(20, type(hub._feeds[20]).offer))
    assert hub.deliver(fix_of(20, 1)) == 0
    assert hub.deliver(moved(1)) == 1
    await publish(layer, fix_of(20, 2), moved(2))
    await watcher.client.events.reach(2)
    assert watcher.frames == [frame(1), frame(2)]


def failing_for(driver_id, offer):
    def fail(feed, fix):
        if feed.driver_id == driver_id:
            raise LookupError("a bug")
        return offer(feed, fix)

    return fail


@pytest.mark.usefixtures("heal_often")
async def test_a_feed_that_fails_does_not_keep_the_others_from_healing(hub, stored, monkeypatch):
    bad, good = Watcher(), Watcher()
    await hub.join(20, bad.outbox)
    await hub.join(21, good.outbox)
    monkeypatch.setattr(type(hub._feeds[20]), "offer", failing_for(20, type(hub._feeds[20]).offer))
    stored.values = {20: fix_of(20, 1), 21: fix_of(21, 1)}
    await good.client.events.reach(1)
