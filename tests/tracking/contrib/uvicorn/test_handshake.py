"""Handshakes that do not end with `websocket.accept`, over real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn

from tests.e2e.raw import TEXT, frame, handshake
from tracking.contrib.uvicorn.http import HttpProtocol
from tracking.contrib.uvicorn.websocket import WebSocketProtocol

START = {
    "type": "websocket.http.response.start",
    "status": 404,
    "headers": [(b"x-reason", b"unknown")],
}
BODY = {"type": "websocket.http.response.body", "body": b"No such", "more_body": True}
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def serving(application, **options):
    """Serve the application, and yield a client's stream reader and writer."""
    config = uvicorn.Config(
        application,
        port=0,
        ws=WebSocketProtocol,
        http=HttpProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        **options,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()
        await server.shutdown()


async def respond(send, path):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": path.encode()})


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([START], b""),
        ([START, START], b""),
        ([START, {"type": "websocket.accept"}], b""),
        ([START, BODY], b"No such"),
        ([START, BODY, START], b"No such"),
    ],
    ids=["no body", "two starts", "accepted", "an unfinished body", "a start after the body"],
)
async def test_unfinished_response_to_a_handshake_is_sent_as_far_as_it_goes(messages, body):
    async def application(scope, receive, send):
        for message in messages:
            await send(message)

    async with serving(application) as (reader, writer):
        writer.write(handshake(b"/"))
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"x-reason: unknown" in head
    assert rest == body


async def test_invalid_message_after_a_started_response_raises_in_the_application():
    raised = []

    async def application(scope, receive, send):
        await send(START)
        try:
            await send(START)
        except RuntimeError as error:
            raised.append(str(error))

    async with serving(application) as (reader, writer):
        writer.write(handshake(b"/"))
        assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
    assert len(raised) == 1
    assert "'websocket.http.response.body'" in raised[0]


async def test_handshake_behind_a_request_is_answered_after_it_and_kept_open():
    answer = asyncio.Event()

    async def application(scope, receive, send):
        if scope["type"] == "http":
            await answer.wait()
            await respond(send, scope["path"])
            return
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] != "websocket.disconnect":
            if "text" in event:
                await send({"type": "websocket.send", "text": event["text"]})

    async with serving(application, timeout_keep_alive=0) as (reader, writer):
        writer.write(HEAD + HEAD.replace(b"/", b"/second", 1) + handshake(b"/"))
        await asyncio.sleep(0.05)  # Longer than the handshake takes without a request before it.
        answer.set()
        answers = await reader.readuntil(b"HTTP/1.1 101 ")
        assert answers.count(b"HTTP/1.1 200 OK") == 2
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(TEXT, b"hello"))
        assert await reader.readexactly(7) == b"\x81\x05hello"
        # No timer of the HTTP protocol closes the connection.
        await asyncio.sleep(0.05)
        writer.write(frame(TEXT, b"hello"))
        assert await reader.readexactly(7) == b"\x81\x05hello"
