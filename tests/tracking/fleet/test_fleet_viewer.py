"""Streams of the fleet to its viewers."""

import asyncio
from datetime import timedelta

import pytest

from tracking.fleet import viewer as fleet_viewer
from tracking.protocol.fleet import Bbox

from ..fakes import NOON, fix_of, settle
from .viewers import EAST, Viewer


async def test_a_viewer_gets_everybody_with_names_and_counts(viewer, rows):
    for driver_id in range(1, 6):
        rows.add(fix_of(driver_id), f"Person {driver_id}")
    rows.add(fix_of(6, disconnected_at=NOON), "Person 6")
    viewer.look()
    await viewer.until_seen(*range(1, 7))
    (frame,) = viewer.frames
    assert list(frame) == ["snapshot", "counts"]
    assert frame["counts"] == {"live": 5, "stale": 0, "offline": 1}
    assert viewer.seen[3]["name"] == "Person 3"


async def test_an_empty_fleet_is_an_empty_snapshot(viewer):
    viewer.look()
    await viewer.client.events.reach(1)
    assert viewer.frames == [{"snapshot": [], "counts": {"live": 0, "stale": 0, "offline": 0}}]


async def test_updates_hold_only_drivers_who_changed(viewer, rows, hub):
    rows.add(fix_of(1))
    rows.add(fix_of(2))
    viewer.look()
    await viewer.until_seen(1, 2)
    hub.deliver(fix_of(2, second=1, latitude=9.0))
    await viewer.client.events.reach(2)
    (update,) = viewer.frames[1:]
    assert list(update) == ["update"]
    assert [item["location_lat"] for item in update["update"]] == ["9"]


async def test_changes_between_two_batches_are_conflated(viewer, rows, hub, monkeypatch):
    monkeypatch.setattr(fleet_viewer, "INTERVAL", 0.3)
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    for second in range(1, 100):
        hub.deliver(fix_of(1, second, latitude=second / 2))
    await viewer.client.events.reach(2)
    assert [item["location_lat"] for item in viewer.frames[1]["update"]] == ["49.5"]


async def test_nothing_is_sent_while_nothing_changes(viewer, rows):
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    await rows.rounds(5)
    assert len(viewer.frames) == 1


async def test_a_repeated_request_is_answered(viewer, rows):
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    for answers in (2, 3):
        viewer.look()
        await viewer.client.events.reach(answers)
        assert viewer.frames[-1] == {"update": []}


async def test_a_viewport_shows_the_drivers_in_it_and_counts_all(viewer, rows, hub):
    rows.add(fix_of(1, longitude=-10.0))
    rows.add(fix_of(2, longitude=10.0))
    viewer.look(EAST)
    await viewer.until_seen(2)
    assert viewer.counts == {"live": 2, "stale": 0, "offline": 0}
    left = NOON + timedelta(seconds=1)
    hub.deliver(fix_of(1, second=1, longitude=-10.0, disconnected_at=left))
    await viewer.until(lambda: viewer.counts == {"live": 1, "stale": 0, "offline": 1})
    assert set(viewer.seen) == {2}


async def test_a_driver_who_leaves_the_viewport_is_removed_and_may_come_back(viewer, rows, hub):
    rows.add(fix_of(1, longitude=10.0))
    viewer.look(EAST)
    await viewer.until_seen(1)
    hub.deliver(fix_of(1, second=1, longitude=-10.0))
    await viewer.until_seen()
    assert viewer.frames[-1] == {"update": [], "remove": [1]}
    hub.deliver(fix_of(1, second=2, longitude=-11.0))
    hub.deliver(fix_of(1, second=3, longitude=10.0))
    await viewer.until_seen(1)


async def test_another_viewport_gets_its_own_snapshot(viewer, rows):
    rows.add(fix_of(1, longitude=-10.0))
    rows.add(fix_of(2, longitude=10.0))
    viewer.look(EAST)
    await viewer.until_seen(2)
    viewer.look(Bbox(-180, -90, 0, 90))
    await viewer.until_seen(1)
    viewer.look()
    await viewer.until_seen(1, 2)
    assert all("snapshot" in frame for frame in viewer.frames)


async def test_a_viewport_that_moves_all_the_time_costs_a_snapshot_now_and_then(
    viewer, rows, monkeypatch
):
    monkeypatch.setattr(fleet_viewer, "MIN_INTERVAL", 0.2)
    monkeypatch.setattr(fleet_viewer, "INTERVAL", 0.3)
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    for north in range(50):
        viewer.look(Bbox(0, 0, 10, north + 1))
        await settle()
    await viewer.client.events.reach(2)
    assert len(viewer.frames) == 2


async def test_time_alone_updates_statuses(viewer, rows, clock):
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    for clock[0], status in ((20, "stale"), (100, "offline")):
        await viewer.until(lambda status=status: viewer.seen[1]["status"] == status)
        assert viewer.counts[status] == 1


async def test_viewers_share_what_was_read_and_encoded(fleet, rows):
    rows.add(fix_of(1))
    first, second = Viewer(fleet), Viewer(fleet)
    first.look()
    await first.until_seen(1)
    (before,) = first.fleet.keeper.fleet.changed_since(0)
    item = before.item
    second.look()
    await second.until_seen(1)
    assert before.item is item
    assert rows.calls.count("load_page") == 2  # and the empty one that ends it


async def test_a_snapshot_of_many_comes_in_parts_and_lets_others_run_meanwhile(
    viewer, rows, monkeypatch
):
    monkeypatch.setattr(fleet_viewer, "ITEMS_PER_FRAME", 10)
    for driver_id in range(1, 101):
        rows.add(fix_of(driver_id))
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    viewer.look()
    await viewer.fleet.keeper.loaded.wait()
    counting = asyncio.create_task(count())
    await viewer.until_seen(*range(1, 101))
    counting.cancel()
    assert turns >= 10
    first, *rest = viewer.frames
    assert first["counts"]["live"] == 100
    assert [len(frame.get("snapshot", ())) for frame in viewer.frames] == [10, *([0] * 9)]
    assert [list(frame) for frame in rest] == [["update", "more"]] * 8 + [["update"]]
    assert first["more"] is True


async def test_a_snapshot_ends_where_the_viewport_moves_on(viewer, rows, monkeypatch):
    monkeypatch.setattr(fleet_viewer, "ITEMS_PER_FRAME", 10)
    for driver_id in range(1, 101):
        rows.add(fix_of(driver_id, longitude=-10.0))
    rows.add(fix_of(101, longitude=10.0))
    viewer.look()
    viewer.client.stop_reading()
    await viewer.client.blocked.reach(1)
    viewer.look(EAST)
    viewer.client.read_on()
    await viewer.until_seen(101)
    assert len(viewer.frames) == 2
    # The interrupted snapshot is never completed; a complete one follows.
    assert [list(frame) for frame in viewer.frames] == [
        ["snapshot", "counts", "more"],
        ["snapshot", "counts"],
    ]


@pytest.mark.parametrize(("count", "frames"), [(9, 1), (10, 1), (11, 2), (20, 2)])
async def test_last_frame_of_a_snapshot_alone_says_that_no_more_follows(
    viewer, rows, monkeypatch, count, frames
):
    monkeypatch.setattr(fleet_viewer, "ITEMS_PER_FRAME", 10)
    for driver_id in range(1, count + 1):
        rows.add(fix_of(driver_id))
    viewer.look()
    await viewer.until_seen(*range(1, count + 1))
    assert ["more" in frame for frame in viewer.frames] == [True] * (frames - 1) + [False]


async def test_snapshot_is_completed_although_the_last_drivers_are_out_of_view(
    viewer, rows, monkeypatch
):
    monkeypatch.setattr(fleet_viewer, "ITEMS_PER_FRAME", 10)
    # The newest change is sent first: the drivers in view before the one outside.
    rows.add(fix_of(1, longitude=-10.0))
    for driver_id in range(2, 12):
        rows.add(fix_of(driver_id, longitude=10.0))
    viewer.look(EAST)
    await viewer.until_seen(*range(2, 12))
    await viewer.client.events.reach(2)
    assert viewer.frames[0]["more"] is True
    assert viewer.frames[1] == {"update": []}


async def test_large_update_goes_on_like_a_large_snapshot(viewer, rows, hub, monkeypatch):
    monkeypatch.setattr(fleet_viewer, "ITEMS_PER_FRAME", 10)
    for driver_id in range(1, 16):
        rows.add(fix_of(driver_id))
    viewer.look()
    await viewer.until_seen(*range(1, 16))
    for driver_id in range(1, 16):
        hub.deliver(fix_of(driver_id, second=1, latitude=9.0))
    await viewer.client.events.reach(4)
    first, second = viewer.frames[2:]
    assert (len(first["update"]), first["more"]) == (10, True)
    assert (len(second["update"]), "more" in second) == (5, False)


async def test_a_slow_viewer_gets_the_newest_of_everybody_and_delays_nobody(fleet, rows, hub):
    rows.add(fix_of(1))
    slow, quick = Viewer(fleet), Viewer(fleet)
    slow.look()
    quick.look()
    await slow.until_seen(1)
    await quick.until_seen(1)
    slow.client.stop_reading()
    for second in range(1, 6):
        hub.deliver(fix_of(1, second, latitude=float(second)))
        place = str(second)
        await quick.until(lambda place=place: quick.seen[1]["location_lat"] == place)
    assert len(slow.frames) == 1
    slow.client.read_on()
    await slow.until(lambda: slow.seen[1]["location_lat"] == "5")
    assert len(slow.frames) == 3  # the first, the one that was being sent, and the newest


async def test_a_failing_stream_closes_its_viewer(viewer, rows, monkeypatch, caplog):
    def fail(*args):
        raise LookupError("a bug")

    monkeypatch.setattr(fleet_viewer, "encode_batch", fail)
    viewer.look()
    # The viewer's connection closes and logs the reason.
    assert await viewer.failures.reach(1) == ["broken off"]
    assert "a bug" in caplog.text
