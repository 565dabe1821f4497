"""Clients that always reconnect, after any disconnection or refusal."""

import asyncio
import time
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import NamedTuple, Self

from websockets.exceptions import ConnectionClosed

from .client import Client, Driver, Watcher, read_error

RETRY_DELAY = 0.2  # seconds between two attempts

# The beginning of these drivers' coordinates, to search a log for.
LATITUDE, LONGITUDE = "-47.1174", "163.4717"


class End(NamedTuple):
    """The end of a connection: when its first message was sent and when it ended, in seconds since
    the epoch, and the server's answer.
    """

    began: float
    time: float
    error: str
    close_code: int

    @property
    def answer(self) -> tuple[str, int]:
        return self.error, self.close_code


class Stubborn:
    """Connects with `connect()` whenever it has no connection. A context manager.

    `connections` are all that it had; `ends` has an item for each that the server ended.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        self.connections: list[Client] = []
        self.ends: list[End] = []
        self._connect = connect
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def _go_on(self) -> None:
        while True:
            async with self._connect() as client:
                self.connections.append(client)
                began = time.time()
                await self.talk(client)
                code = await client.close_code(seconds=3600)
                assert client.closed_at is not None
                error, _ = read_error(client.frames[-1])
                self.ends.append(End(began, client.closed_at, error, code))
            await asyncio.sleep(RETRY_DELAY)

    async def talk(self, client: Client) -> None:
        """Send messages on an open connection, until it is closed."""
        raise NotImplementedError

    async def until(self, condition: Callable[[Self], bool], seconds: float = 10) -> None:
        """Wait until `condition(self)` is true, over any number of connections."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                assert not self._task.done(), self._task.exception()
                await asyncio.sleep(0.01)

    @property
    def locations(self) -> list[float]:
        """Return the time of each received location, over all connections."""
        return [
            moment
            for client in self.connections
            for frame, moment in zip(client.frames, client.times, strict=False)
            if "location_lat" in frame
        ]


class StubbornWatcher(Stubborn):
    """Watches a driver."""

    async def talk(self, client: Client) -> None:
        assert isinstance(client, Watcher)
        await client.start()


class StubbornDriver(Stubborn):
    """Sends ten locations a second, all different, and different from other drivers'."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        super().__init__(connect)
        self._numbers = count()

    async def talk(self, client: Client) -> None:
        assert isinstance(client, Driver)
        while client.closed_at is None:
            number = next(self._numbers) % 1000
            try:
                await client.post(f"{LATITUDE}{number:03}", f"{LONGITUDE}{number:03}")
            except ConnectionClosed:
                break
            await asyncio.sleep(0.1)
