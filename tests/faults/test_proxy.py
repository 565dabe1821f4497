"""The proxy does to a connection what a network can."""

import asyncio

import pytest

from .proxy import Proxy

DEADLINE = 5.0


@pytest.fixture
async def echo():
    """The port of a server that says back what it hears."""

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


async def test_it_passes_bytes_on_in_both_directions(proxy):
    async with Client(proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"


async def test_it_alters_what_it_is_told_to(proxy):
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


async def test_refusing_resets_what_is_connected_and_accepting_comes_back_on_the_same_port(proxy):
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


async def test_a_service_that_is_away_resets_who_connects(proxy, echo):
    proxy.target = 1  # nobody listens there
    async with Client(proxy.port) as client:
        with pytest.raises(ConnectionResetError):
            await client.ask(b"hello")
