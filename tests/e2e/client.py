"""A WebSocket client that sends raw text frames, valid or not, and may stop reading."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

DEADLINE = 10.0  # seconds that any one event may take


def read_error(frame: str | bytes) -> tuple[str, str]:
    """Return code and message of an error frame; fail unless its shape is the contract's."""
    content = json.loads(frame)
    assert list(content) == ["error"]
    assert list(content["error"]) == ["code", "message"]
    code, message = content["error"].values()
    assert isinstance(message, str)
    assert message
    return code, message


class Client:
    """A WebSocket connection that records all frames it receives, unparsed, in `frames`, and the
    times of arrival in `times`, in seconds since the epoch.

    With `reads=False` it reads nothing from its socket after the handshake, until `resume()`, like
    a phone that has lost its network but not yet its connection.
    """

    def __init__(self, url: str, *, reads: bool = True, origin: str | None = None) -> None:
        """Set up a connection. Native apps send no `origin`; browsers send the page's."""
        self.url = url
        self.frames: list[str | bytes] = []
        self.times: list[float] = []
        self.closed_at: float | None = None
        self._reads = reads
        self._origin = origin
        self._connection: ClientConnection
        self._reader: asyncio.Task[None]
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        options: dict[str, Any] = {}
        if not self._reads:
            options["sock"] = _narrow_socket(self.url)
        self._connection = await connect(
            self.url,
            compression=None,
            ping_interval=None,
            open_timeout=DEADLINE,
            close_timeout=DEADLINE,
            max_queue=None,  # keep every frame: reading stops only if the test says so
            proxy=None,
            origin=self._origin,
            **options,
        )
        if not self._reads:
            self._connection.transport.pause_reading()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error: object) -> None:
        if not self._reads:
            self.vanish()
        await self._connection.close()
        await self._reader

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for frame in self._connection:
                self.frames.append(frame)
                self.times.append(time.time())
                self._news.set()
        self.closed_at = time.time()

    async def send_text(self, frame: str | bytes) -> None:
        """Send a frame unchanged, valid or not: text, or binary if `text` is bytes."""
        await self._connection.send(frame)

    async def send_message(self, **payload: Any) -> None:
        await self.send_text(json.dumps({"type": "authenticate", "payload": payload}))

    async def until(
        self, condition: Callable[[list[str | bytes]], Any], seconds: float = DEADLINE
    ) -> None:
        """Wait until `condition(frames)` is true.

        Raises AssertionError, with the last frames received, on timeout or if the connection ends
        first.
        """
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.frames):
                    self._news.clear()
                    news = asyncio.ensure_future(self._news.wait())
                    await asyncio.wait({news, self._reader}, return_when=asyncio.FIRST_COMPLETED)
                    news.cancel()
                    if self._reader.done() and not condition(self.frames):
                        raise AssertionError(f"closed with {self._closed()}; got {self._tail()}")
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; got {self._tail()}") from None

    async def frame(self, number: int, seconds: float = DEADLINE) -> str | bytes:
        """Wait for the frame with this index, and return it."""
        await self.until(lambda frames: len(frames) > number, seconds)
        return self.frames[number]

    async def close_code(self, seconds: float = DEADLINE) -> int:
        """Wait until the connection ends, and return its close code; 1006 without a close frame."""
        try:
            async with asyncio.timeout(seconds):
                await self._connection.wait_closed()
        except TimeoutError:
            raise AssertionError(f"still open after {seconds} s; got {self._tail()}") from None
        await self._reader
        return self._closed()

    def vanish(self) -> None:
        """Break the connection without a close frame."""
        self._connection.transport.abort()

    def resume(self) -> None:
        """Begin to read, after `reads=False`."""
        self._reads = True
        self._connection.transport.resume_reading()

    def _closed(self) -> int:
        code = self._connection.close_code
        assert code is not None
        return code

    def _tail(self) -> str:
        return f"{len(self.frames)} frames, the last of them {self.frames[-3:]}"


class Driver(Client):
    """A driver's app, on the set-tracking route."""

    def __init__(self, server_url: str, driver_id: int, token: str, **options: Any) -> None:
        super().__init__(f"{server_url}/driver/set-tracking?userId={driver_id}", **options)
        self.token = token
        self._sent = 0

    async def post(self, lat: Any, lon: Any, **details: Any) -> int:
        """Send a location without waiting; return the index of the frame that will answer it."""
        number = self._sent
        self._sent += 1
        await self.send_message(token=self.token, command="send", lat=lat, lon=lon, **details)
        return number

    async def send(self, lat: Any, lon: Any, **details: Any) -> str | bytes:
        """Send a location and return the answer: its acknowledgement, or an error."""
        return await self.frame(await self.post(lat, lon, **details))

    async def send_together(self, locations: Iterable[tuple[Any, Any]]) -> None:
        """Send up to 256 locations without waiting for each; wait for the answer to the last."""
        for lat, lon in locations:
            last = await self.post(lat, lon)
        await self.frame(last)


class Watcher(Client):
    """A watcher of a driver, on the get-tracking route."""

    def __init__(self, server_url: str, driver_id: int, token: str, **options: Any) -> None:
        super().__init__(f"{server_url}/driver/get-tracking?userId={driver_id}", **options)
        self.token = token

    async def start(self, **details: Any) -> None:
        await self.send_message(token=self.token, command="start", **details)


def _narrow_socket(url: str) -> socket.socket:
    """Return a socket whose buffers are full after some kilobytes, so that the server soon notices.

    Its packets are as small as a mobile network's: for the loopback's large ones, the server's side
    buffers megabytes.
    """
    host, _, port = url.split("/")[2].partition(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
    narrow.connect((host, int(port)))
    narrow.setblocking(False)
    return narrow
