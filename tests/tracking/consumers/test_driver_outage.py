"""A driver during a long outage of the database: heard by watchers, and owed a bounded amount."""

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
    """In place of the thread to the database, until it is over."""

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
            raise OperationalError("away")
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
async def heard(server):
    """What watchers of everybody hear."""
    log = Log()
    await get_runtime().hub.follow(log.append)
    return log


async def test_what_it_sends_is_taken_at_once_and_of_the_excess_the_newest_is_acknowledged(
    server, driver, heard, monkeypatch
):
    outage = Outage(monkeypatch)
    token = token_for(driver)
    for number in range(20):
        server.report(token, lat=number)
    await heard.reach(20)
    outage.end()
    frames = (await server.client.events.reach(2 + LIMIT + 1))[2:]
    assert [frame["text"] for frame in frames] == [
        encode_location(float(number), 0.0) for number in (*range(LIMIT), 19)
    ]
    assert (await stored(driver)).latitude == 19
    server.report(token, lat=30)
    assert (await server.client.events.reach(2 + LIMIT + 2))[-1]["text"] == encode_location(30, 0)


async def test_what_waits_for_who_has_gone_is_forgotten_but_stored(
    server, driver, heard, monkeypatch
):
    outage = Outage(monkeypatch)
    token = token_for(driver)
    for attempt in range(4):
        other = Server("set", driver)
        for number in range(3):
            other.report(token, lat=10 * attempt + number)
        await heard.reach(3 * attempt + 3)
        other._input.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await within_deadline(other.task)
    await outage.attempts.reach(len(outage.attempts) + 2)
    assert outage.waiting == 0
    outage.end()
    await within_deadline(get_runtime().drain())
    assert (await stored(driver)).latitude == 32
