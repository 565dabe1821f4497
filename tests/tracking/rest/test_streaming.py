"""Responses that are streamed over ASGI: made in threads, at the pace of the client."""

import asyncio

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.urls import path

from tracking.models import DriverLocation
from tracking.rest.streaming import stream

from ..fakes import Log, settle, within_deadline

pytestmark = pytest.mark.django_db(transaction=True)


class Response:
    """A view whose response has a thousand chunks, each with a query."""

    def __init__(self):
        self.made = []
        # The connections of the threads that the view and the chunks ran in.
        self.connections = set()

    def __call__(self, request):
        self._query()
        return stream(request, self._chunks(), "text/plain")

    def _chunks(self):
        for number in range(1_000):
            self._query()
            self.made.append(number)
            yield b"%d" % number

    def _query(self):
        DriverLocation.objects.count()
        self.connections.add(connections["default"])


class Client:
    """A client of an ASGI server that waits for it: it reads one event after another."""

    def __init__(self):
        target = "/numbers/"
        self._scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": target,
            "raw_path": target.encode(),
            "query_string": b"",
            "headers": [],
        }
        self._received = asyncio.Queue()
        self._received.put_nowait({"type": "http.request", "body": b""})
        # The server waits with an event until the client has read the one before.
        self._sent = asyncio.Queue(maxsize=1)
        self._offered = Log()
        self._read = 0
        server = ASGIHandler()(self._scope, self._received.get, self._send)
        self._task = asyncio.create_task(server)

    async def _send(self, event):
        self._offered.append(event)
        await self._sent.put(event)

    async def read(self):
        self._read += 1
        return await within_deadline(self._sent.get())

    async def until_the_server_waits(self):
        """Return once an event waits for the client, and the server with the next one."""
        await self._offered.reach(self._read + 2)

    async def disconnect(self):
        self._received.put_nowait({"type": "http.disconnect"})
        await within_deadline(self._task)


@pytest.fixture
async def response(settings, monkeypatch):
    response = Response()
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    monkeypatch.setitem(globals(), "urlpatterns", [path("numbers/", response)])
    return response


@pytest.fixture
async def client(response):
    client = Client()
    assert (await client.read())["status"] == 200
    yield client
    await client.disconnect()


async def test_chunks_are_made_at_the_pace_of_the_client(client, response):
    for number in range(5):
        assert (await client.read())["body"] == b"%d" % number
    await client.until_the_server_waits()
    assert len(response.made) <= 8


async def test_no_connection_is_open_while_the_client_does_not_read(client, response):
    await client.read()
    await client.until_the_server_waits()
    assert len(response.connections) >= 2
    assert [found for found in response.connections if found.connection is not None] == []


async def test_nothing_more_is_made_once_the_client_has_disconnected(client, response):
    await client.read()
    await client.until_the_server_waits()
    made = len(response.made)
    await client.disconnect()
    await settle()
    assert len(response.made) == made < 10
