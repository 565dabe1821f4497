"""Healing of the state of all drivers, and its disposal."""

from datetime import timedelta

from tracking.fleet import keeper as fleet_keeper

from ..fakes import NOON, fix_of, settle, within_deadline
from .viewers import EAST, Viewer


async def test_what_the_hub_missed_is_read_again(viewer, rows):
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    rows.fixes[1] = fix_of(1, second=1, latitude=9.0)
    await viewer.until(lambda: viewer.seen[1]["location_lat"] == "9")
    rows.fixes[1] = fix_of(1, 1, 9.0, disconnected_at=NOON + timedelta(seconds=2))
    await viewer.until(lambda: viewer.seen[1]["status"] == "offline")
    assert rows.calls.count("load_page") == 2


async def test_what_is_known_is_not_read_again(viewer, rows, hub):
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    hub.deliver(fix_of(1, second=1))  # not yet committed
    await rows.rounds(4)
    assert "load_shown" not in rows.calls


async def test_a_newcomer_is_shown_at_once_and_named_soon(viewer, rows, hub):
    viewer.look()
    await viewer.client.events.reach(1)
    rows.names[7] = "Newcomer"
    hub.deliver(fix_of(7))
    await viewer.until(lambda: 7 in viewer.seen and viewer.seen[7]["name"] == "Newcomer")


async def test_a_newcomer_whose_message_was_lost_is_found(viewer, rows):
    viewer.look()
    await viewer.client.events.reach(1)
    rows.add(fix_of(7), "Newcomer")
    await viewer.until(lambda: 7 in viewer.seen and viewer.seen[7]["name"] == "Newcomer")


async def test_a_late_fix_of_a_deleted_driver_does_not_stay(viewer, rows, hub):
    viewer.look()
    await viewer.client.events.reach(1)
    hub.deliver(fix_of(7))
    await rows.rounds(4)
    assert "load_names" in rows.calls
    viewer.look(EAST)
    await viewer.until_seen()
    assert viewer.counts == {"live": 0, "stale": 0, "offline": 0}


async def test_deleted_drivers_and_new_names_are_noticed(viewer, rows, monkeypatch):
    monkeypatch.setattr(fleet_keeper, "REFRESH_INTERVAL", 0.02)
    rows.add(fix_of(1))
    rows.add(fix_of(2))
    viewer.look()
    await viewer.until_seen(1, 2)
    del rows.fixes[1]
    rows.names[2] = "Jonh Smith"
    await viewer.until_seen(2)
    await viewer.until(lambda: viewer.seen[2]["name"] == "Jonh Smith")
    assert viewer.counts == {"live": 1, "stale": 0, "offline": 0}


async def test_without_the_database_drivers_still_move(viewer, rows, hub, caplog):
    rows.add(fix_of(1))
    viewer.look()
    await viewer.until_seen(1)
    rows.error = ConnectionError("connection refused")
    await rows.rounds()
    hub.deliver(fix_of(1, second=1, latitude=9.0))
    await viewer.until(lambda: viewer.seen[1]["location_lat"] == "9")
    assert "connection refused" in caplog.text


async def test_an_outage_of_the_database_is_logged_once(viewer, rows, caplog):
    rows.error = ConnectionError("connection refused")
    viewer.look()
    await rows.rounds(4)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_viewer_who_joins_without_the_database_gets_everybody_once_it_is_back(viewer, rows):
    rows.add(fix_of(1))
    rows.error = ConnectionError("connection refused")
    viewer.look()
    await rows.rounds()
    assert viewer.frames == []
    rows.error = None
    await viewer.until_seen(1)


async def test_the_fleet_is_dropped_after_the_last_viewer_and_rebuilt(fleet, rows, hub):
    rows.add(fix_of(1))
    first, second = Viewer(fleet), Viewer(fleet)
    first.look()
    second.look()
    await first.until_seen(1)
    fleet.leave(first.outbox)
    assert hub.followers
    fleet.leave(second.outbox)
    fleet.leave(second.outbox)
    assert not hub.followers
    assert not fleet.keeper.fleet.driver_ids
    third = Viewer(fleet)
    third.look()
    await third.until_seen(1)


async def test_a_viewer_who_leaves_at_once_leaves_nothing_behind(fleet, hub):
    viewer = Viewer(fleet)
    viewer.look()
    fleet.leave(viewer.outbox)
    await settle()
    assert not hub.followers


async def test_the_fleet_can_be_kept_while_nobody_looks(fleet, rows, hub):
    rows.add(fix_of(1))
    fleet.keeper.hold("nearby")
    await within_deadline(fleet.keeper.loaded.wait())
    assert fleet.keeper.fleet.driver_ids == {1}
    viewer = Viewer(fleet)
    viewer.look()
    await viewer.until_seen(1)
    fleet.leave(viewer.outbox)
    assert hub.followers
    assert fleet.keeper.fleet.driver_ids == {1}
    fleet.keeper.release("nearby")
    assert not hub.followers
    assert not fleet.keeper.fleet.driver_ids
