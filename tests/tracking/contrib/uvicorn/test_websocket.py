"""Events that the application receives at a connection's end, over real sockets."""

import asyncio
import socket
import struct

import pytest
import uvicorn

from tests.e2e.raw import CLOSE, TEXT, Raw, frame
from tests.services.process import free_port
from tests.tracking.fakes import Log, within_deadline


@pytest.fixture
def received():
    """Return the log of the events that the application received."""
    return Log()


@pytest.fixture
async def port(received, request):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            event = await receive()
            received.append(event)
            if event["type"] == "websocket.disconnect":
                return

    port = free_port()
    config = uvicorn.Config(
        application,
        port=port,
        ws="tracking.contrib.uvicorn.websocket:WebSocketProtocol",
        http="tracking.contrib.uvicorn.http:HttpProtocol",
        ws_per_message_deflate=False,
        ws_ping_interval=getattr(request, "param", 20.0),
        ws_ping_timeout=0.2,
        lifespan="off",
        log_config=None,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield port
    await server.shutdown()


@pytest.fixture
async def client(port):
    with await asyncio.to_thread(Raw, port, b"/") as client:
        assert client.status == 101
        yield client


def reset(client):
    client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client._socket.close()


def leave_without_a_code(client):
    client.send(frame(CLOSE))
    client._socket.close()


def leave_with_a_code(client):
    client.send(frame(CLOSE, struct.pack("!H", 1001)))
    client._socket.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [(reset, 1006), (Raw.finish, 1006), (leave_without_a_code, 1005), (leave_with_a_code, 1001)],
)
async def test_only_a_close_frame_is_an_end_that_the_client_wanted(client, received, end, code):
    client.send(frame(TEXT, b"hello"))
    await received.reach(1)
    end(client)
    await received.reach(2)
    assert [event.get("code") for event in received] == [None, code]


@pytest.mark.parametrize("port", [0.1], indirect=True)
async def test_client_that_answers_no_ping_is_lost(client, received):
    await received.reach(1)
    assert received[0]["code"] == 1006
    # The server sends a close frame all the same, in case the client still reads.
    assert (await within_deadline(asyncio.to_thread(client.end)))[1] == 1011


def hung_up(client):
    """Wait until the server has ended the connection."""
    while client._receive():
        pass


BROKEN = {
    "reserved bits": frame(TEXT, b"x", reserved=7),
    "no mask": frame(TEXT, b"x", masked=False),
    "no such opcode": frame(11, b"x"),
    "long ping": frame(9, b"x" * 126),
    "not UTF-8": frame(TEXT, b"\xff"),
    "nothing to continue": frame(0, b"x"),
    "too big": frame(TEXT, b"x" * 100, length=2**40),
}


@pytest.mark.parametrize("answer", [b"", b"\x03\xea", b"\x03\xea" + b"because" * 17])
@pytest.mark.parametrize("broken", BROKEN)
async def test_failed_connection_ends_once_the_client_has_answered(
    client, monkeypatch, broken, answer
):
    """The server waits for the client's close frame or its hang-up, not for a timer."""
    monkeypatch.setattr("tracking.contrib.uvicorn.websocket.LINGER", 3600)
    client.send(BROKEN[broken])
    _, code = await within_deadline(asyncio.to_thread(client.end))
    assert code in (1002, 1007, 1009)
    close = frame(CLOSE, answer)
    client.send(close[:3])
    client.send(close[3:])
    await within_deadline(asyncio.to_thread(hung_up, client))


async def test_failed_connection_ends_once_the_client_hangs_up(client, monkeypatch):
    monkeypatch.setattr("tracking.contrib.uvicorn.websocket.LINGER", 3600)
    client.send(BROKEN["no mask"])
    await within_deadline(asyncio.to_thread(client.end))
    client.finish()
    await within_deadline(asyncio.to_thread(hung_up, client))


async def test_failed_connection_reads_on_until_the_client_has_answered(client, monkeypatch):
    monkeypatch.setattr("tracking.contrib.uvicorn.websocket.LINGER", 0.05)
    client.send(BROKEN["too big"])
    client.send(b"\x00" * 1000)
    await within_deadline(asyncio.to_thread(client.end))
    await within_deadline(asyncio.to_thread(hung_up, client))
