import asyncio
import threading
import time

import pytest
from channels.testing import WebsocketCommunicator

from tracking import metrics
from tracking.consumers.draining import drain, refusing_while_draining
from tracking.runtime import get_runtime
from tracking.signals import location_updated

from ..fakes import DEADLINE, Log, Sender, fix_of, settle, within_deadline
from ..sockets import Socket, application, token_for

pytestmark = pytest.mark.django_db(transaction=True)


class FakeConnection:
    """A connection that records when it was asked to leave, and stays if it is stubborn."""

    address = ""

    def __init__(self, *, stubborn=False):
        self.stubborn = stubborn
        self.asked = []

    def leave(self, code):
        self.asked.append((code, time.monotonic()))
        if not self.stubborn:
            get_runtime().connections.remove(self)


@pytest.fixture(autouse=True)
async def _runtime(app_layer):
    yield
    await within_deadline(get_runtime().close())


def admit(*connections):
    for connection in connections:
        get_runtime().connections.admit(connection)
    return connections


async def test_every_connection_is_asked_to_come_back_elsewhere():
    connections = admit(*(FakeConnection() for _ in range(5)))
    assert await drain(0, DEADLINE)
    assert [[code for code, _ in connection.asked] for connection in connections] == [[1012]] * 5


async def test_closing_is_spread_evenly_and_in_no_order():
    connections = admit(*(FakeConnection() for _ in range(40)))
    began = time.monotonic()
    assert await drain(0.8, DEADLINE)
    times = [connection.asked[0][1] - began for connection in connections]
    assert times != sorted(times)
    # Never before its turn; it may be later on a busy machine.
    assert all(at >= 0.02 * turn - 0.005 for turn, at in enumerate(sorted(times)))


async def test_connection_that_came_while_draining_is_asked_too():
    first, late = FakeConnection(), FakeConnection()
    admit(first)
    leave = first.leave
    first.leave = lambda code: (leave(code), admit(late))
    assert await drain(0, DEADLINE)
    assert late.asked


async def test_drain_stops_waiting_for_connections_that_stay():
    admit(FakeConnection(stubborn=True))
    assert not await drain(0, 0.05)


async def test_drain_waits_for_what_is_still_to_be_stored(driver):
    runtime, sender = get_runtime(), Sender()
    runtime.submit([fix_of(driver)], sender)
    assert await drain(0, DEADLINE)
    assert [outcome for outcome, _ in sender.settled] == ["acknowledged"]


async def test_drain_names_connections_that_stay(caplog):
    admit(FakeConnection(stubborn=True))
    assert not await drain(0, 0.05)
    assert "still open: 1" in caplog.text
    assert "stored" not in caplog.text


@pytest.fixture
async def slow_receiver():
    """Return the log of calls of a receiver that runs until the test ends."""
    called, end = Log(), threading.Event()
    loop = asyncio.get_running_loop()

    def receiver(**kwargs):
        loop.call_soon_threadsafe(called.append, kwargs)
        end.wait(DEADLINE)

    location_updated.connect(receiver)
    yield called
    end.set()
    location_updated.disconnect(receiver)


async def test_slow_receivers_are_named_and_not_taken_for_the_database(
    driver, slow_receiver, caplog
):
    get_runtime().submit([fix_of(driver)], Sender())
    await slow_receiver.reach(1)
    assert await drain(0, 0.05)
    (record,) = caplog.records
    assert record.message.startswith("Receivers of tracking's signals have not finished")


async def test_locations_that_are_not_stored_are_named(driver, monkeypatch, caplog):
    stored = asyncio.Event()

    async def hang(*args):
        await stored.wait()
        return frozenset()

    monkeypatch.setattr(get_runtime()._storage, "_commit", hang)
    get_runtime().submit([fix_of(driver)], Sender())
    assert not await drain(0, 0.05)
    (record,) = caplog.records
    assert record.message.startswith("Locations were not stored")
    stored.set()


async def test_what_a_driver_sent_is_acknowledged_before_its_socket_is_closed(connect, driver):
    socket = await connect("set", driver)
    token = token_for(driver)
    await socket.report(token, lat=0, lon=0)
    await socket.frame()
    for number in range(1, 5):
        await socket.report(token, lat=number, lon=0)
    await settle()
    draining = asyncio.create_task(drain(0, DEADLINE))
    frames = [await socket.frame() for _ in range(4)]
    assert frames[-1] == '{"location_lat": "4", "location_lon": "0"}'
    assert await socket.close_code() == 1012
    await socket.send_input({"type": "websocket.disconnect", "code": 1012})
    assert await draining


async def test_readiness_is_false_from_the_first_moment():
    admit(FakeConnection(stubborn=True))
    draining = asyncio.create_task(drain(0, 0.05))
    await settle()
    assert get_runtime().draining
    assert not await draining


async def test_handshake_is_refused_with_503_while_draining():
    """A proxy then tries the next server. The refusal is counted."""
    counted = metrics.refusals.values.get(("handshake", "draining"), 0)
    get_runtime().draining = True
    scope = {"extensions": {"websocket.http.response": {}}}
    socket = WebsocketCommunicator(
        refusing_while_draining(application), "/driver/get-tracking?userId=1"
    )
    socket.scope |= scope
    await socket.send_input({"type": "websocket.connect"})
    start = await socket.receive_output(DEADLINE)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert (await socket.receive_output(DEADLINE))["type"] == "websocket.http.response.body"
    assert metrics.refusals.values[("handshake", "draining")] == counted + 1


async def test_handshake_is_refused_while_draining_where_the_server_cannot_say_503():
    get_runtime().draining = True
    socket = WebsocketCommunicator(
        refusing_while_draining(application), "/driver/get-tracking?userId=1"
    )
    assert (await socket.connect(DEADLINE))[0] is False


async def test_handshake_is_taken_when_nothing_drains(connect, driver):
    socket = Socket("get", f"?userId={driver}")
    socket.application = refusing_while_draining(application)
    assert (await socket.connect(DEADLINE))[0] is True
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(DEADLINE)
