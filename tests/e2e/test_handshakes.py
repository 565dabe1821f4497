"""Clients that connect and send slowly or nothing: the limits of a worker's waiting."""

import asyncio
import time
from contextlib import suppress

from .raw import DEADLINE, handshake
from .stack import DRIVER

TIMEOUT, LEEWAY = 10.0, 2.0  # seconds

HANDSHAKE = handshake(b"/driver/get-tracking?userId=19")
GET = b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = (
    b"POST /accounts/token/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
)
# By name: the bytes that are sent first, and those that are then repeated.
SLOW = {
    "says nothing": (b"", b""),
    "never ends its handshake": (HANDSHAKE[:-2], b""),
    "has one more header, and one more": (HANDSHAKE[:-2], b"X-More: 1\r\n"),
    "sends line feeds": (b"", b"\r\n"),
    "sends line feeds after a request": (GET, b"\r\n"),
    "begins a second request": (GET + b"GET /", b"x"),
    "sends a body byte by byte": (POST, b" "),
}


async def seconds_until_cut(port, first, again):
    """Return the seconds until the server closes the connection."""
    # Before the server's time begins.
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    answer = asyncio.ensure_future(reader.read())
    try:
        while not answer.done():
            assert time.monotonic() - began < 2 * TIMEOUT
            writer.write(again)
            await asyncio.wait([answer], timeout=0.2)
        answer.exception()  # Closed or reset.
        return time.monotonic() - began
    finally:
        writer.transport.abort()


async def test_client_without_a_complete_request_in_time_is_disconnected(cluster_stack):
    port = cluster_stack.driver_server.port
    silent = cluster_stack.watcher(DRIVER)

    async def seconds_until_closed():
        began = time.monotonic()
        async with silent:
            assert await silent.close_code(2 * TIMEOUT) == 4408
        return time.monotonic() - began

    seconds = await asyncio.gather(
        seconds_until_closed(), *(seconds_until_cut(port, *data) for data in SLOW.values())
    )
    for who, waited in zip(["authenticates never", *SLOW], seconds, strict=True):
        assert TIMEOUT - 0.1 < waited < TIMEOUT + LEEWAY, who


async def test_a_request_without_end_is_cut_off_before_it_fills_the_memory(cluster_stack):
    server = cluster_stack.driver_server
    before = server.resident()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HANDSHAKE[:-2] + b"X-Long: ")
    sent = 0
    async with asyncio.timeout(DEADLINE):
        with suppress(ConnectionError):
            while True:
                sent += 2**14
                writer.write(b"x" * 2**14)
                await writer.drain()
                await asyncio.sleep(0)
    writer.transport.abort()
    assert sent < 20 * 2**20
    assert server.resident() - before < 5 * 2**20


async def test_a_connection_that_is_kept_alive_serves_many_requests(cluster_stack):
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster_stack.driver_server.port)
    for _ in range(200):  # Together, more than the allowed size of one request's head.
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 500 + b"\r\n\r\n"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 ")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
