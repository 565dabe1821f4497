"""Free drivers in memory: found while they are free, and at no other time."""

import asyncio
from datetime import timedelta

import pytest

from tracking.fleet import keeper as fleet_keeper
from tracking.fleet import nearby as fleet_nearby
from tracking.fleet.keeper import Keeper
from tracking.fleet.nearby import Nearby, NotLoaded, Search
from tracking.pipeline.duty import StateRow

from ..fakes import NOON, fix_of, within_deadline
from .conftest import listen


def duty(driver_id=19, state="available", trip_id=None, vehicle_type="", **times):
    row = StateRow(driver_id, state, NOON, trip_id, vehicle_type, None, None, None, [])
    return {driver_id: row._replace(**times)}


@pytest.fixture
async def nearby(hub, rows, clock):
    def now():
        return NOON + timedelta(seconds=clock[0])

    keeper = Keeper(hub, rows, now, listen)

    async def current(max_age):
        await states_are_read.wait()

    states_are_read = asyncio.Event()
    states_are_read.set()
    nearby = Nearby(keeper, now, current)
    nearby.states_are_read = states_are_read
    nearby.keeper = keeper
    yield nearby
    nearby.close()
    await within_deadline(keeper.close())


async def found(nearby):
    near = await within_deadline(nearby.search(Search(1.5, 2.5, 10)))
    return [each.entry.fix.driver_id for each in near]


async def test_driver_is_found_while_it_is_available(nearby, rows):
    rows.add(fix_of(19))
    assert await found(nearby) == []
    nearby.keeper.apply_states(duty())
    assert await found(nearby) == [19]
    nearby.keeper.apply_states(duty(state="reserved", trip_id=7))
    assert await found(nearby) == []
    nearby.keeper.apply_states(duty())
    assert await found(nearby) == [19]


async def test_driver_off_duty_is_forgotten_and_comes_back_with_a_new_fix(nearby, hub, rows):
    rows.add(fix_of(19))
    await found(nearby)
    nearby.keeper.apply_states(duty())
    off = NOON + timedelta(seconds=5)
    del rows.fixes[19]
    nearby.keeper.apply_states(duty(state="non_operational", off_duty_from=off))
    assert await found(nearby) == []
    hub.deliver(fix_of(19, second=6))
    assert nearby.keeper.fleet.entry_of(19) is None
    on = NOON + timedelta(seconds=10)
    nearby.keeper.apply_states(duty(off_duty_from=off, off_duty_until=on))
    hub.deliver(fix_of(19, second=9))
    assert await found(nearby) == []
    hub.deliver(fix_of(19, second=11))
    assert await found(nearby) == [19]


async def test_driver_who_falls_silent_is_not_found(nearby, rows, clock):
    rows.add(fix_of(19))
    await found(nearby)
    nearby.keeper.apply_states(duty())
    assert await found(nearby) == [19]
    clock[0] = 61.0
    assert await found(nearby) == []
    assert len(nearby.keeper.fleet.free) == 0


async def test_item_of_the_fleet_has_state_and_trip(nearby, rows):
    rows.add(fix_of(19))
    await found(nearby)
    entry = nearby.keeper.fleet.entry_of(19)
    assert '"state"' not in entry.item
    nearby.keeper.apply_states(duty(state="reserved", trip_id=7))
    assert entry.item.endswith('"state": "reserved", "trip": 7}')


async def test_only_vehicles_of_the_type_are_found(nearby, rows):
    for driver_id in (19, 20):
        rows.add(fix_of(driver_id))
    await found(nearby)
    nearby.keeper.apply_states(duty(19, vehicle_type="van") | duty(20))

    def vans():
        near = nearby.nearest(Search(1.5, 2.5, 10, vehicle_type="van"))
        return [each.entry.fix.driver_id for each in near]

    assert vans() == [19]
    nearby.keeper.apply_states(duty(19, vehicle_type="bike") | duty(20, vehicle_type="van"))
    assert vans() == [20]
    nearby.keeper.apply_states(duty(20, state="reserved", vehicle_type="van"))
    assert vans() == []
    assert await found(nearby) == [19]


async def test_search_waits_for_states_and_fails_if_they_cannot_be_read(nearby, rows, monkeypatch):
    rows.add(fix_of(19))
    await found(nearby)
    nearby.keeper.apply_states(duty())
    nearby.states_are_read.clear()
    search = asyncio.create_task(found(nearby))
    nearby.keeper.apply_states(duty(state="reserved"))
    nearby.states_are_read.set()
    assert await search == []
    nearby.states_are_read.clear()
    monkeypatch.setattr(fleet_nearby, "LOAD_TIMEOUT", 0.01)
    with pytest.raises(NotLoaded):
        await found(nearby)


async def test_driver_who_is_back_during_a_refresh_stays(nearby, hub, rows, monkeypatch):
    """A refresh takes seconds: a shift may begin anew after the driver's page was read."""
    rows.add(fix_of(19))
    rows.add(fix_of(20))
    await found(nearby)
    missed = []

    def load_page(after):
        # Not in the pages: the row was stored again behind them.
        missed.append(after)
        return [(rows.fixes[20], "Jonh")] if after < 20 else []

    monkeypatch.setattr(rows, "load_page", load_page)
    monkeypatch.setattr(fleet_keeper, "REFRESH_INTERVAL", 0.0)
    async with asyncio.timeout(20):
        while len(missed) < 5:
            await rows.rounds(1)
    assert nearby.keeper.fleet.entry_of(19) is not None
    del rows.fixes[19]
    async with asyncio.timeout(20):
        while nearby.keeper.fleet.entry_of(19) is not None:
            await rows.rounds(1)
    assert nearby.keeper.fleet.entry_of(20) is not None


async def test_state_is_kept_for_the_longest_time_asked_for(nearby, rows):
    rows.add(fix_of(19))
    nearby.keep(0.05)
    await within_deadline(nearby.loaded())
    nearby.keep(0.0)
    await asyncio.sleep(0.01)
    assert nearby.is_loaded
    await asyncio.sleep(0.06)
    assert not nearby.is_loaded


async def test_statuses_are_updated_between_searches(nearby, rows, clock):
    """So that the first search after a while need not wait for those of all drivers."""
    rows.add(fix_of(19))
    await found(nearby)
    clock[0] = 3600
    # A call of the round under way, and those of a whole one.
    await rows.rounds(4)
    assert nearby.keeper.fleet.entry_of(19).status == "offline"
