"""Departures of drivers, with two workers that share a channel layer and a fake database."""

import asyncio

import msgspec
import pytest

from tracking.engine.receiver import Receiver
from tracking.pipeline import presence as presence_module
from tracking.pipeline.presence import Presence

from ..fakes import Log, Times, fix_of, settle, within_deadline

DRIVER = 19


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(presence_module, "GRACE_PERIOD", 0.08)
    monkeypatch.setattr(presence_module, "ANSWER_TIMEOUT", 0.04)


class Worker:
    """A process: its presence, the fixes that it submits, and whether it is stopping."""

    def __init__(self, layer, stored):
        self.departures = Log()
        self.draining = False
        self.clock = Times(second=100)
        self.receiver = Receiver(layer)
        self.presence = Presence(
            layer,
            self.receiver,
            self.clock,
            stored,
            lambda fixes, waiter: [self.departures.append(fix) for fix in fixes],
            lambda: self.draining,
        )

    async def connect(self, *fixes):
        await within_deadline(self.presence.arrive(DRIVER))
        for fix in fixes:
            self.presence.record(fix)

    def disconnect(self):
        self.presence.depart(DRIVER)

    async def settled(self):
        """Return the submitted fixes once no departure is pending."""
        while self.presence._task is not None:
            await within_deadline(asyncio.wait([self.presence._task]))
        await settle()
        return self.departures

    async def close(self):
        await within_deadline(self.presence.close())
        await within_deadline(self.receiver.close())


@pytest.fixture
async def workers(layer, stored):
    workers = [Worker(layer, stored), Worker(layer, stored)]
    yield workers
    for worker in workers:
        await worker.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def worker(workers):
    return workers[0]


@pytest.fixture
def other(workers):
    return workers[1]


def left(worker, fix):
    return msgspec.structs.replace(fix, disconnected_at=worker.clock.at)


async def test_driver_whose_connection_ended_has_left_after_a_while(worker, stored):
    stored.values = {DRIVER: fix_of(second=5)}
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    await settle()
    assert worker.departures == []
    assert await worker.departures.reach(1) == [left(worker, fix_of(second=5))]


async def test_departure_is_the_newest_fix_even_if_it_is_not_stored_yet(worker):
    await worker.connect(fix_of(second=5), fix_of(second=7), fix_of(second=6))
    worker.disconnect()
    assert await worker.departures.reach(1) == [left(worker, fix_of(second=7))]


async def test_departure_is_what_is_stored_where_what_came_here_was_late(worker, stored):
    stored.values = {DRIVER: fix_of(second=5, latitude=9.0)}
    late = msgspec.structs.replace(fix_of(second=7), recorded_at=fix_of(second=1).recorded_at)
    await worker.connect(late)
    worker.disconnect()
    stored_and_heard = msgspec.structs.replace(
        fix_of(second=5, latitude=9.0), heard_at=late.received_at
    )
    assert await worker.departures.reach(1) == [left(worker, stored_and_heard)]


async def test_driver_who_comes_back_has_not_left(worker):
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    await worker.connect()
    assert await worker.settled() == []


async def test_driver_who_came_back_and_sent_nothing_can_still_leave(worker):
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    await worker.connect()
    worker.disconnect()
    assert await worker.departures.reach(1) == [left(worker, fix_of(second=5))]


async def test_driver_with_several_connections_leaves_with_the_last(worker):
    await worker.connect(fix_of(second=5))
    await worker.connect()
    worker.disconnect()
    assert await worker.settled() == []
    worker.disconnect()
    assert len(await worker.departures.reach(1)) == 1


async def test_driver_who_is_connected_to_another_worker_has_not_left(worker, other, layer):
    await worker.connect(fix_of(second=5))
    await other.connect()  # It reports the same fix again, which changes nothing.
    worker.disconnect()
    assert await worker.settled() == []
    other.disconnect()
    assert await other.settled() == []  # This worker has no fix of the driver.


async def test_driver_who_came_back_elsewhere_in_time_has_not_left(
    worker, other, layer, monkeypatch
):
    monkeypatch.setattr(presence_module, "GRACE_PERIOD", 1)
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    await other.connect()
    assert layer.sent == []
    assert await worker.settled() == []


async def test_driver_whose_newest_fix_came_elsewhere_leaves_with_its_last_connection(
    worker, other, layer, stored
):
    await worker.connect(fix_of(second=5))
    await other.connect(fix_of(second=50))
    stored.values = {DRIVER: fix_of(second=50)}
    other.disconnect()
    assert await other.settled() == []
    worker.disconnect()
    assert await worker.departures.reach(1) == [left(worker, fix_of(second=50))]


async def test_driver_with_a_fix_elsewhere_since_then_has_not_left(worker, layer, stored):
    stored.values = {DRIVER: fix_of(second=105)}
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    assert await worker.settled() == []


@pytest.mark.parametrize("second", [50, 105])
async def test_driver_with_a_newer_fix_elsewhere_has_not_left_if_no_worker_can_be_asked(
    worker, layer, stored, second
):
    layer.failing = {"group_send"}
    stored.values = {DRIVER: fix_of(second=second)}
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    assert await worker.settled() == []


async def test_driver_who_goes_on_over_http_has_not_left(worker):
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    worker.presence.record(fix_of(second=105))
    assert await worker.settled() == []


async def test_driver_without_a_connection_is_not_noted(worker):
    worker.presence.record(fix_of(second=5))
    assert await worker.settled() == []
    assert worker.presence._drivers == {}


async def test_driver_who_sent_nothing_cannot_leave(worker):
    await worker.connect()
    worker.disconnect()
    assert await worker.settled() == []


async def test_server_that_stops_declares_nobody_offline(worker):
    await worker.connect(fix_of(second=5))
    worker.draining = True
    worker.disconnect()
    assert await worker.settled() == []


async def test_departures_wait_for_the_database(worker, stored, caplog):
    stored.error = ConnectionError("the database is unavailable")
    await worker.connect(fix_of(second=5))
    worker.disconnect()
    await stored.calls.reach(2)
    assert worker.departures == []
    assert len(caplog.records) == 1
    stored.error = None
    assert len(await worker.departures.reach(1)) == 1


async def test_departures_do_not_wait_for_the_channel_layer(worker, layer):
    await worker.connect(fix_of(second=5))
    layer.hold = asyncio.Event()
    worker.disconnect()
    assert len(await worker.departures.reach(1)) == 1
    layer.hold.set()


async def test_driver_who_comes_back_while_it_is_looked_up_has_not_left(worker, stored):
    await worker.connect(fix_of(second=5))
    stored.gate.clear()
    worker.disconnect()
    await stored.calls.reach(1)
    await worker.connect()
    stored.gate.set()
    assert await worker.settled() == []


async def test_many_departures_are_asked_and_looked_up_together(worker, layer, stored):
    for driver_id in range(1, 101):
        await worker.presence.arrive(driver_id)
        worker.presence.record(fix_of(driver_id, 5))
    for driver_id in range(1, 101):
        worker.presence.depart(driver_id)
    await worker.departures.reach(100)
    # Two rounds if the first departure is due before the last driver has disconnected.
    assert len(stored.calls) <= 2
    assert len(layer.sent) <= 2
    assert (await worker.settled()) == [left(worker, fix_of(pk, 5)) for pk in range(1, 101)]
