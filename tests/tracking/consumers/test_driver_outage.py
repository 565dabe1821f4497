"""A driver during a long database outage: watchers see it, and a bounded number of fixes waits."""

import pytest
from django.db import OperationalError

from tracking.consumers import driver as driver_module
from tracking.pipeline import storage
from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..fakes import Log, within_deadline
from ..sockets import Server, stored, token_for

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 5


class Outage:
    """Replaces the database thread and fails every call until `end`."""

    def __init__(self, monkeypatch):
        self._storage = get_runtime()._storage
        self._thread = self._storage._thread
        self._is_over = False
        self.attempts = Log()
        monkeypatch.setattr(storage, "RETRY_AFTER", 0.01)
        monkeypatch.setattr(driver_module, "MAX_PAUSE", 0.02)
        monkeypatch.setattr(driver_module, "MAX_UNACKNOWLEDGED", LIMIT)
        monkeypatch.setattr(self._storage, "_thread", self)

    async def run(self, *args):
        self.attempts.append(args)
        if not self._is_over:
            raise OperationalError("unavailable")
        return await self._thread.run(*args)

    def end(self):
        self._is_over = True

    @property
    def waiting(self):
        return len(self._storage)


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


async def test_fixes_are_accepted_at_once_and_of_the_excess_the_newest_is_acknowledged(
    server, driver, delivered, monkeypatch
):
    outage = Outage(monkeypatch)
    token = token_for(driver)
    for number in range(20):
        server.report(token, lat=number)
    await delivered.reach(20)
    outage.end()
    frames = (await server.client.events.reach(2 + LIMIT + 1))[2:]
    assert [frame["text"] for frame in frames] == [
        encode_location(float(number), 0.0) for number in (*range(LIMIT), 19)
    ]
    assert (await stored(driver)).latitude == 19
    server.report(token, lat=30)
    assert (await server.client.events.reach(2 + LIMIT + 2))[-1]["text"] == encode_location(30, 0)


async def test_fixes_of_a_driver_that_disconnected_are_stored_and_their_acknowledgements_dropped(
    server, driver, delivered, monkeypatch
):
    outage = Outage(monkeypatch)
    token = token_for(driver)
    for attempt in range(4):
        other = Server("set", driver)
        for number in range(3):
            other.report(token, lat=10 * attempt + number)
        await delivered.reach(3 * attempt + 3)
        other._input.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await within_deadline(other.task)
    await outage.attempts.reach(len(outage.attempts) + 2)
    assert outage.waiting == 0
    outage.end()
    await within_deadline(get_runtime().drain())
    assert (await stored(driver)).latitude == 32
