"""The proxy simulates network failures of a connection."""

import asyncio

import pytest

from .proxy import Proxy

DEADLINE = 5.0


@pytest.fixture
async def echo():
    """Start a server that echoes all bytes, and yield its port."""

    async def answer(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo):
    async with Proxy(echo) as proxy:
        yield proxy


class Client:
    def __init__(self, port):
        self._port = port

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *error):
        self._writer.transport.abort()

    async def ask(self, data, seconds=DEADLINE):
        self._writer.write(data)
        async with asyncio.timeout(seconds):
            return await self._reader.read(100)


async def test_bytes_are_forwarded_in_both_directions(proxy):
    async with Client(proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"


async def test_bytes_are_altered_by_the_function(proxy):
    proxy.alter = bytes.upper
    async with Client(proxy.port) as client:
        assert await client.ask(b"hello") == b"HELLO"


async def test_a_connection_that_was_swallowed_stays_mute_without_a_reset(proxy):
    async with Client(proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"
        proxy.swallow()
        with pytest.raises(TimeoutError):
            await client.ask(b"hello", seconds=0.1)
        await proxy.accept()
        with pytest.raises(TimeoutError):
            await client.ask(b"hello", seconds=0.1)
        async with Client(proxy.port) as other:
            assert await other.ask(b"hello") == b"hello"


async def test_a_connection_made_while_swallowing_is_mute(proxy):
    proxy.swallow()
    async with Client(proxy.port) as client:
        with pytest.raises(TimeoutError):
            await client.ask(b"hello", seconds=0.1)


async def test_refusing_resets_connections_and_accepting_resumes_on_the_same_port(proxy):
    async with Client(proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"
        await proxy.refuse()
        with pytest.raises(ConnectionResetError):
            await client.ask(b"hello")
    with pytest.raises(ConnectionRefusedError):
        await Client(proxy.port).__aenter__()
    await proxy.accept()
    async with Client(proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"


async def test_connections_are_reset_if_the_service_is_unavailable(proxy, echo):
    proxy.target = 1  # nobody listens there
    async with Client(proxy.port) as client:
        with pytest.raises(ConnectionResetError):
            await client.ask(b"hello")
