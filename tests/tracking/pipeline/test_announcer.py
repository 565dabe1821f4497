"""Signals: content and time of each call, and isolation of failing or slow receivers."""

import asyncio
import threading

import msgspec
import pytest

from tracking.models import DriverLocation
from tracking.pipeline import announcer as announcer_module
from tracking.pipeline.announcer import Announcer
from tracking.signals import driver_status_changed, location_updated
from tracking.status import Status

from ..fakes import DEADLINE, Log, Times, fix_of, within_deadline

LIVE, STALE, OFFLINE = Status.LIVE, Status.STALE, Status.OFFLINE


@pytest.fixture(autouse=True)
def _thresholds(settings, monkeypatch):
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}
    # A new throttle: another test's warning must not suppress this one's.
    monkeypatch.setattr(announcer_module.logger, "filters", [])


@pytest.fixture
def clock():
    return Times()


@pytest.fixture
async def announcer(clock, stored):
    announcer = Announcer(clock, stored)
    yield announcer
    await within_deadline(announcer.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def connect():
    """Return a function that connects a receiver until the test ends."""
    connected = []

    def connect(signal, receiver):
        signal.connect(receiver)
        connected.append((signal, receiver))

    yield connect
    for signal, receiver in connected:
        assert signal.disconnect(receiver)


class Receivers:
    """A receiver of each signal, with a log of its calls and a gate that it waits at."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self.threads = set()
        self.gate = threading.Event()
        self.gate.set()
        self.batches = Log()
        self.changes = Log()

    def on_locations(self, sender, fixes, **kwargs):
        self._record(self.batches, fixes)

    def on_status(self, sender, driver_id, status, previous, **kwargs):
        self._record(self.changes, (driver_id, previous, status))

    def _record(self, log, what):
        self.threads.add(threading.current_thread())
        self._loop.call_soon_threadsafe(log.append, what)
        assert self.gate.wait(DEADLINE)


@pytest.fixture
async def receivers(connect):
    receivers = Receivers()
    connect(location_updated, receivers.on_locations)
    connect(driver_status_changed, receivers.on_status)
    return receivers


def departure(second):
    fix = fix_of()
    at = fix_of(second=second).received_at
    return msgspec.structs.replace(fix, disconnected_at=at)


async def test_without_receivers_there_is_nothing_to_announce(announcer, connect):
    def listener(**kwargs):
        """Receive from every sender."""

    def listener_to_others(**kwargs):
        """Receive from a sender that never sends."""

    assert not announcer.has_receivers
    location_updated.connect(listener_to_others, sender=Announcer)
    assert not announcer.has_receivers
    connect(location_updated, listener)
    assert announcer.has_receivers


async def test_receivers_are_called_in_a_thread_of_their_own_once_per_batch(announcer, receivers):
    fixes = [fix_of(driver_id) for driver_id in (1, 2, 3)]
    announcer.stored(fixes, {})
    assert await receivers.batches.reach(1) == [fixes]
    await receivers.changes.reach(3)
    assert {thread.name.partition("_")[0] for thread in receivers.threads} == {"tracking-signals"}


async def test_first_location_has_no_status_before_it(announcer, receivers):
    announcer.stored([fix_of()], {})
    assert await receivers.changes.reach(1) == [(19, None, LIVE)]


async def test_next_location_of_a_live_driver_is_no_change_of_status(announcer, receivers):
    announcer.stored([fix_of(second=5)], {19: fix_of()})
    await receivers.batches.reach(1)
    await within_deadline(announcer.drain())
    assert receivers.changes == []


@pytest.mark.parametrize(
    ("before", "previous"),
    [(fix_of(), STALE), (fix_of(second=-60), OFFLINE), (departure(2), OFFLINE)],
)
async def test_driver_who_is_back_is_live_again(announcer, receivers, clock, before, previous):
    clock.advance(12)
    announcer.stored([fix_of(second=12)], {19: before})
    assert await receivers.changes.reach(1) == [(19, previous, LIVE)]


async def test_departure_is_a_change_of_status_and_no_new_location(announcer, receivers, clock):
    clock.advance(7)
    announcer.stored([departure(2)], {19: fix_of()})
    assert await receivers.changes.reach(1) == [(19, LIVE, OFFLINE)]
    assert receivers.batches == []


@pytest.mark.parametrize("before", [fix_of(), fix_of(second=1)], ids=["repeated", "late"])
async def test_a_fix_that_changed_nothing_is_not_announced(announcer, receivers, before):
    announcer.stored([fix_of()], {19: before})
    await within_deadline(announcer.drain())
    assert receivers.batches == receivers.changes == []


async def test_a_status_changed_by_time_is_announced(announcer, receivers, clock, stored):
    stored.values = {19: fix_of()}
    announcer.stored([fix_of()], {})
    await receivers.changes.reach(1)
    clock.advance(11)
    assert await receivers.changes.reach(2) == [(19, None, LIVE), (19, LIVE, STALE)]


async def test_driver_back_before_its_silence_was_announced_was_never_silent(
    announcer, receivers, clock, stored
):
    announcer.stored([fix_of()], {})
    clock.advance(10.1)
    announcer.stored([fix_of(second=10.1)], {19: fix_of()})
    await receivers.batches.reach(1)
    await within_deadline(announcer.drain())
    assert receivers.changes == [(19, None, LIVE)]


async def test_slow_receivers_get_the_newest_fix_and_the_net_change_of_status(
    announcer, receivers, clock, caplog
):
    receivers.gate.clear()
    announcer.stored([fix_of()], {})
    await receivers.batches.reach(1)
    for second in range(1, 5):
        announcer.stored([fix_of(second=second)], {19: fix_of(second=second - 1)})
    announcer.stored([fix_of(20, 4)], {})
    clock.advance(60)
    announcer.stored([fix_of(20, 60)], {20: fix_of(20, 4)})
    receivers.gate.set()
    await receivers.batches.reach(2)
    assert receivers.batches[1] == [fix_of(second=4), fix_of(20, 60)]
    await within_deadline(announcer.drain())
    assert receivers.changes == [(19, None, LIVE), (20, None, LIVE)]
    assert "4 signals were replaced" in caplog.text


async def test_change_that_was_undone_before_its_announcement_is_not_announced(
    announcer, receivers, clock
):
    receivers.gate.clear()
    announcer.stored([fix_of(20)], {})
    await receivers.batches.reach(1)
    clock.advance(7)
    announcer.stored([fix_of(second=7)], {19: departure(2)})
    announcer.stored([departure(7)], {19: fix_of()})
    receivers.gate.set()
    await within_deadline(announcer.drain())
    assert receivers.changes == [(20, None, LIVE)]


async def test_receiver_that_fails_is_named_in_the_log_and_keeps_nothing_from_others(
    announcer, connect, caplog
):
    def careless_receiver(**kwargs):
        raise ValueError("careless")

    connect(location_updated, careless_receiver)
    receivers = Receivers()
    connect(location_updated, receivers.on_locations)
    announcer.stored([fix_of()], {})
    await receivers.batches.reach(1)
    assert "careless_receiver" in caplog.text


async def test_receiver_may_be_a_coroutine_function(announcer, connect):
    calls = []

    async def listener(fixes, **kwargs):
        await asyncio.sleep(0)
        calls.append(fixes)

    connect(location_updated, listener)
    announcer.stored([fix_of()], {})
    await within_deadline(announcer.drain())
    assert calls == [[fix_of()]]


@pytest.mark.django_db(transaction=True)
async def test_receiver_may_use_the_database(announcer, connect):
    counts = []

    def listener(**kwargs):
        counts.append(DriverLocation.objects.count())

    connect(location_updated, listener)
    announcer.stored([fix_of()], {})
    await within_deadline(announcer.drain())
    assert counts == [0]


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, asyncio.CancelledError])
async def test_a_receiver_that_fails_keeps_no_later_announcement_back(announcer, connect, kind):
    loop = asyncio.get_running_loop()
    seen = Log()

    def locate(sender, fixes, **kwargs):
        raise kind

    def change(sender, driver_id, **kwargs):
        loop.call_soon_threadsafe(seen.append, driver_id)
        raise kind

    connect(location_updated, locate)
    connect(driver_status_changed, change)
    announcer.stored([fix_of(1), fix_of(2)], {})
    assert await seen.reach(2) == [1, 2]
    announcer.stored([fix_of(3)], {})
    assert await seen.reach(3) == [1, 2, 3]
    await within_deadline(announcer.drain())
