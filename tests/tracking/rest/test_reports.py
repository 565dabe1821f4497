"""Reports over HTTP wait for their commit, in limited number and time."""

import asyncio

import pytest

from tracking import protocol
from tracking.pipeline.duty import Duty
from tracking.protocol import InvalidLocation, Measurement, TokenInvalid
from tracking.runtime import reports
from tracking.runtime.reports import NotStored, Reports

from ..fakes import NOON, Log, within_deadline

MEASUREMENT = Measurement(lat=1, lon=2)


@pytest.fixture
def submitted():
    """Return the log of submitted fixes, each with its waiter."""
    return Log()


class FakeRuntime:
    def __init__(self, submit):
        self.submit = submit
        self.known = None
        self.full = set()
        self.duty = Duty(None, None)

    async def duty_of(self, driver_id):
        return None

    def is_full(self, driver_id):
        return driver_id in self.full

    def to_fixes(self, measurements, driver_id, clock, **rest):
        return [protocol.to_fix(measurement, driver_id, NOON) for measurement in measurements]

    async def last_known(self, driver_id):
        return self.known


@pytest.fixture
def runtime(submitted):
    return FakeRuntime(lambda fixes, waiter: submitted.append((fixes[-1], waiter)))


@pytest.fixture
def http(runtime):
    return Reports(runtime)


async def test_report_ends_when_its_fix_is_committed(http, submitted):
    task = asyncio.create_task(http.commit(19, [MEASUREMENT]))
    ((fix, waiter),) = await submitted.reach(1)
    assert (fix.driver_id, fix.latitude, fix.longitude) == (19, 1, 2)
    assert not task.done()
    waiter.acknowledge(fix)
    assert await within_deadline(task) == []


async def test_report_is_refused_while_too_many_fixes_of_its_driver_wait(http, runtime, submitted):
    runtime.full.add(19)
    with pytest.raises(NotStored):
        await within_deadline(http.commit(19, [MEASUREMENT]))
    assert submitted == []


async def test_report_of_a_deleted_driver_is_refused(http, submitted):
    task = asyncio.create_task(http.commit(19, [MEASUREMENT]))
    ((fix, waiter),) = await submitted.reach(1)
    waiter.reject(fix)
    with pytest.raises(TokenInvalid):
        await within_deadline(task)


async def test_report_of_a_fix_that_can_never_be_stored_is_refused(http, submitted):
    task = asyncio.create_task(http.commit(19, [MEASUREMENT]))
    ((fix, waiter),) = await submitted.reach(1)
    waiter.discard(fix)
    with pytest.raises(InvalidLocation):
        await within_deadline(task)
    assert http._unsettled == 0


async def test_report_that_cannot_be_submitted_is_not_counted_for_ever():
    def fail(fixes, waiter):
        raise LookupError("a bug")

    http = Reports(FakeRuntime(fail))
    with pytest.raises(LookupError):
        await http.commit(19, [MEASUREMENT])
    assert http._unsettled == 0


async def test_impossible_location_is_not_submitted(http, submitted):
    with pytest.raises(InvalidLocation):
        await http.commit(19, [Measurement(lat=91, lon=0)])
    assert not submitted


async def test_commit_after_the_timeout_changes_no_answer(http, submitted, monkeypatch):
    monkeypatch.setattr(reports, "COMMIT_TIMEOUT", 0.01)
    with pytest.raises(NotStored):
        await within_deadline(http.commit(19, [MEASUREMENT]))
    ((fix, waiter),) = submitted
    waiter.acknowledge(fix)


async def test_no_more_reports_wait_than_the_limit_until_they_are_settled(
    http, submitted, monkeypatch
):
    monkeypatch.setattr(reports, "COMMIT_TIMEOUT", 0.01)
    monkeypatch.setattr(reports, "MAX_UNSETTLED", 3)
    for _ in range(5):
        with pytest.raises(NotStored):
            await within_deadline(http.commit(19, [MEASUREMENT]))
    # Timed-out reports still count: storage still holds them.
    assert len(submitted) == 3
    for fix, waiter in list(submitted):
        waiter.acknowledge(fix)
    task = asyncio.create_task(http.commit(19, [MEASUREMENT]))
    fix, waiter = (await submitted.reach(4))[3]
    waiter.acknowledge(fix)
    await within_deadline(task)
