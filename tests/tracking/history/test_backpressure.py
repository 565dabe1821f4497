"""With a history, drivers' sockets are not read while too many fixes wait for the database."""

import asyncio

import pytest
from django.db import OperationalError

from tracking.consumers import base
from tracking.consumers import driver as driver_module
from tracking.history.reading import read
from tracking.models import DriverLocation, HistoryFix
from tracking.pipeline import storage
from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..fakes import Log, settle, within_deadline
from ..sockets import Server, token_for

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 5


class Outage:
    """Replaces the database thread and fails every call until `end`."""

    def __init__(self, monkeypatch):
        self._storage = get_runtime()._storage
        self._thread = self._storage._thread
        self._is_over = False
        monkeypatch.setattr(storage, "RETRY_AFTER", 0.01)
        monkeypatch.setattr(driver_module, "CHECK_INTERVAL", 0.02)
        monkeypatch.setattr(self._storage, "_thread", self)

    async def run(self, *args):
        if not self._is_over:
            raise OperationalError("unavailable")
        return await self._thread.run(*args)

    def end(self):
        self._is_over = True


@pytest.fixture
async def server(app_layer, driver):
    server = Server("set", driver)
    server.report(token_for(driver))
    await server.client.events.reach(2)
    yield server
    await server.end()


@pytest.fixture
async def delivered(server):
    """Return the log of the fixes that the hub delivers to a watcher of all drivers."""
    log = Log()
    await get_runtime().hub.follow(log.append)
    return log


def latitudes():
    rows = HistoryFix.objects.order_by("recorded_at").values_list("latitude_e7", flat=True)
    return [latitude // 10_000_000 for latitude in rows]


async def test_each_fix_is_kept_and_acknowledged_for_itself(server, driver, delivered, monkeypatch):
    monkeypatch.setattr(driver_module, "MAX_UNACKNOWLEDGED", LIMIT)
    outage = Outage(monkeypatch)
    token = token_for(driver)
    for number in range(1, 21):
        server.report(token, lat=number)
    await delivered.reach(LIMIT)
    await settle()
    # Nothing more was read, so that nothing more reached watchers.
    assert len(delivered) == LIMIT
    outage.end()
    frames = (await server.client.events.reach(2 + 20))[2:]
    assert [frame["text"] for frame in frames] == [
        encode_location(float(number), 0.0) for number in range(1, 21)
    ]
    assert (await asyncio.to_thread(latitudes))[1:] == [*range(1, 21)]


@pytest.mark.parametrize("limit", ["MAX_BUFFERED", "MAX_BUFFERED_PER_DRIVER"])
async def test_the_fixes_that_wait_are_bounded_by_process_and_by_driver(
    server, driver, delivered, monkeypatch, limit
):
    monkeypatch.setattr(storage, limit, LIMIT)
    outage = Outage(monkeypatch)
    token = token_for(driver)
    batch = [{"lat": number, "lon": 0} for number in range(1, 4)]
    for _ in range(4):
        server.send({"token": token, "command": "send_batch", "fixes": batch})
    await delivered.reach(2)
    await settle()
    assert len(delivered) == 2  # The second batch is above the limit, the third waits.
    outage.end()
    await server.client.events.reach(2 + 4)
    assert await asyncio.to_thread(HistoryFix.objects.count) == 1 + 12


async def test_messages_that_gather_during_a_pause_are_not_above_the_rate(
    app_layer, driver, monkeypatch, settings
):
    settings.TRACKING = settings.TRACKING | {
        "MAX_FIXES_PER_SECOND": 5,
        "MAX_FIXES_BURST": LIMIT + 1,
    }
    monkeypatch.setattr(driver_module, "MAX_UNACKNOWLEDGED", LIMIT)
    delivered = Log()
    await get_runtime().hub.follow(delivered.append)
    outage = Outage(monkeypatch)
    server = Server("set", driver)
    token = token_for(driver)
    for number in range(25):
        server.report(token, lat=number)
    await delivered.reach(LIMIT)
    await settle()
    (rate_limit,) = get_runtime().limits._limits.values()
    rate_limit._filled_at -= 60  # as if the pause had lasted so long
    outage.end()
    frames = (await server.client.events.reach(1 + 25))[1:]
    assert [frame["text"] for frame in frames] == [
        encode_location(float(number), 0.0) for number in range(25)
    ]
    await server.end()


async def test_a_paused_connection_that_is_lost_ends_before_the_database_is_back(
    server, driver, delivered, monkeypatch
):
    monkeypatch.setattr(driver_module, "MAX_UNACKNOWLEDGED", LIMIT)
    monkeypatch.setattr(base, "_unknown", lambda: lost)
    lost = False
    outage = Outage(monkeypatch)
    other = Server("set", driver)
    token = token_for(driver)
    for number in range(20):
        other.report(token, lat=number)
    await delivered.reach(LIMIT)
    lost = True
    other._input.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await within_deadline(other.task)
    outage.end()
    await within_deadline(get_runtime().drain())
    # What was read is kept; the phone sends the rest again.
    assert await asyncio.to_thread(HistoryFix.objects.count) == 1 + LIMIT


async def test_a_fix_is_in_the_history_when_its_acknowledgement_arrives(server, driver):
    server.report(token_for(driver), lat=7)
    await server.client.events.reach(3)

    def both():
        at = DriverLocation.objects.get(pk=driver).recorded_at
        ((*_, newest),) = read(
            driver, at.replace(hour=0, minute=0, second=0), at.replace(year=9000)
        )
        return at, newest

    at, newest = await asyncio.to_thread(both)
    assert (newest.recorded_at, newest.latitude) == (at, 7)
