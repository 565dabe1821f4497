"""Drivers that become stale and offline by silence, on a set clock and a fake database."""

import asyncio

import msgspec
import pytest

from tracking.pipeline import aging as aging_module
from tracking.pipeline.aging import Aging
from tracking.status import Status

from ..fakes import Log, Times, fix_of, within_deadline

LIVE, STALE, OFFLINE = Status.LIVE, Status.STALE, Status.OFFLINE


@pytest.fixture(autouse=True)
def _thresholds(settings, monkeypatch):
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}
    monkeypatch.setattr(aging_module, "SCAN_INTERVAL", 0.01)


@pytest.fixture
def clock():
    return Times()


@pytest.fixture
def changes():
    return Log()


@pytest.fixture
async def aging(clock, stored, changes):
    aging = Aging(clock, stored, lambda *change: changes.append(change))
    yield aging
    stored.gate.set()
    await within_deadline(aging.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def follow(aging, stored):
    """Return a function that stores a fix and follows its driver."""

    def follow(fix, status=LIVE):
        stored.values[fix.driver_id] = fix
        aging.follow(fix, status)

    return follow


async def until_idle(aging):
    while aging._task is not None:
        await within_deadline(asyncio.wait([aging._task]))


async def test_silent_driver_becomes_stale_and_then_offline_each_announced_once(
    aging, follow, clock, changes
):
    follow(fix_of())
    clock.advance(11)
    await changes.reach(1)
    clock.advance(20)
    await until_idle(aging)
    assert changes == [(19, LIVE, STALE), (19, STALE, OFFLINE)]


async def test_driver_that_was_not_looked_at_for_long_goes_offline_at_once(
    aging, follow, clock, changes
):
    follow(fix_of())
    clock.advance(3600)
    await until_idle(aging)
    assert changes == [(19, LIVE, OFFLINE)]


async def test_only_drivers_that_are_due_are_looked_up(follow, clock, changes, stored):
    for second in range(3):
        follow(fix_of(driver_id=second + 1, second=second))
    clock.advance(11.5)
    await changes.reach(2)
    assert stored.calls == [[1, 2]]


async def test_newer_fix_begins_anew(follow, clock, changes, stored):
    follow(fix_of(1, 0))
    follow(fix_of(2, 2))
    follow(fix_of(1, 3))
    clock.advance(12.5)
    await changes.reach(1)
    assert changes == [(2, LIVE, STALE)]
    assert stored.calls == [[2]]


@pytest.mark.parametrize(
    "elsewhere",
    [
        fix_of(second=5),
        msgspec.structs.replace(fix_of(), disconnected_at=fix_of(second=5).received_at),
        None,
    ],
    ids=["another worker has it", "it has left", "it is deleted"],
)
async def test_driver_whose_stored_fix_is_not_this_workers_is_left_to_others(
    aging, follow, clock, changes, stored, elsewhere
):
    follow(fix_of())
    stored.values = {} if elsewhere is None else {19: elsewhere}
    clock.advance(11)
    await until_idle(aging)
    assert changes == []


async def test_driver_who_reports_while_it_is_looked_up_stays_live(follow, clock, changes, stored):
    follow(fix_of())
    stored.gate.clear()
    clock.advance(11)
    await stored.calls.reach(1)
    follow(fix_of(second=11))
    stored.gate.set()
    clock.advance(11)
    await changes.reach(1)
    assert stored.calls == [[19], [19]]
    assert changes == [(19, LIVE, STALE)]


async def test_changes_wait_for_the_database(follow, clock, changes, stored, caplog):
    follow(fix_of())
    stored.error = ConnectionError("the database is unavailable")
    clock.advance(11)
    await stored.calls.reach(3)
    assert changes == []
    assert len(caplog.records) == 1
    stored.error = None
    await changes.reach(1)


async def test_an_announced_status_holds_for_the_stored_fix_alone(aging, follow):
    follow(fix_of(second=1), STALE)
    assert aging.announced_status(fix_of(second=1)) is STALE
    assert aging.announced_status(fix_of(second=2)) is None
    assert aging.announced_status(fix_of(driver_id=20)) is None


async def test_an_offline_driver_is_not_followed(aging, follow):
    follow(fix_of(), LIVE)
    follow(fix_of(second=1), OFFLINE)
    await until_idle(aging)
    assert aging.announced_status(fix_of()) is None
