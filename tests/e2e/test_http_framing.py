"""The framing of bodies and the order of answers, on a real socket with our protocol class."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn

from tracking.contrib.uvicorn.http import MAX_BODY_SIZE, HttpProtocol

CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def application(scope, receive, send):
    """Answer with the length of the body, the headers after its end, and the path."""
    length = 0
    while True:
        message = await receive()
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    names = b",".join(name for name, _ in scope["headers"])
    body = b"%d %b %b" % (length, names, scope["path"].encode())
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(protocol_class=HttpProtocol):
    config = uvicorn.Config(application, http=protocol_class, lifespan="off", log_level="critical")
    config.load()
    server = uvicorn.Server(config)
    protocols = []

    def protocol():
        protocols.append(protocol_class(config, server.server_state, {}))
        return protocols[-1]

    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1], protocols
    finally:
        listener.close()


async def talk(port, sent, until):
    """Send, and return the answer up to `until`, or all of it if the server closes first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(10):
            return await reader.readuntil(until)
    except asyncio.IncompleteReadError as end:
        return end.partial
    finally:
        writer.close()


async def test_trailer_is_no_header():
    async with serving() as (port, _):
        trailer = b"x-forwarded-for: 6.6.6.6\r\n"
        sent = CHUNKED + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n"
        assert b"3 host,transfer-encoding /x" in await talk(port, sent, b"/x")
        # The next request has its own headers.
        next_one = b"GET /y HTTP/1.1\r\nHost: a\r\nx-mine: 1\r\n\r\n"
        assert b"0 host,x-mine /y" in await talk(port, sent + next_one, b"/y")


@pytest.mark.parametrize(
    "framing",
    [
        b"0\r\n" + b"x-a: b\r\n" * (MAX_BODY_SIZE // 4),
        b"0\r\nx-a: " + b"b" * (2 * MAX_BODY_SIZE),
        b"1;" + b"e" * (2 * MAX_BODY_SIZE),
        b"1\r\nx\r\n" * (MAX_BODY_SIZE // 2),
    ],
    ids=["trailers", "a long trailer", "a long extension", "tiny chunks"],
)
async def test_framing_without_end_is_cut_off_and_not_kept(framing):
    async with serving() as (port, protocols):
        try:
            answer = await talk(port, CHUNKED + framing, b"bytes.\n")
        except ConnectionError:
            answer = b""  # The reset that follows arrived first.
        [protocol] = protocols
        assert b" 200 " not in answer
        assert protocol.transport.is_closing()
        assert len(protocol.headers) == 2
        assert protocol.unparsed == b""


async def test_body_of_the_largest_allowed_size_is_accepted_in_any_framing():
    body = b"x" * MAX_BODY_SIZE
    plain = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(MAX_BODY_SIZE // 1024))
    async with serving() as (port, _):
        for sent in (plain + body, CHUNKED + chunks + b"0\r\n\r\n"):
            assert b"%d host," % MAX_BODY_SIZE in await talk(port, sent, b"/x")


async def test_subclass_takes_larger_bodies():
    class Uploads(HttpProtocol):
        max_body_size = 2 * MAX_BODY_SIZE

    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    async with serving(Uploads) as (port, _):
        fits = head % (2 * MAX_BODY_SIZE) + b"x" * (2 * MAX_BODY_SIZE)
        assert b"%d host," % (2 * MAX_BODY_SIZE) in await talk(port, fits, b"/x")
        too_large = head % (2 * MAX_BODY_SIZE + 1)
        assert b" 413 " in await talk(port, too_large, b"bytes.\n")


async def test_refusal_of_a_body_waits_for_the_answer_before_it():
    first = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
    second = b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\nabc"
    async with serving() as (port, _):
        answer = await talk(port, first + second, b"bytes.\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.index(b"/first") < answer.index(b"HTTP/1.1 413 ")
    assert b"/second" not in answer
