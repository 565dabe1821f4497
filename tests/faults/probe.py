"""Detection of workers that spin or freeze: the delay of the event loop."""

import asyncio
import json
import math
from contextlib import suppress
from time import monotonic
from typing import Self

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

INTERVAL = 0.1


class Probe(WSListener):
    """A watcher that pings the worker ten times a second. An async context manager.

    The server answers a ping on its event loop alone.
    """

    def __init__(self, url: str, driver_id: int, token: str) -> None:
        super().__init__()
        self.answers: list[
            tuple[float, float]
        ] = []  # time of each ping, and the seconds until its answer
        self._open: list[float] = []  # time of the ping that has no answer yet
        self._url = f"{url}/driver/get-tracking?userId={driver_id}"
        self._start = {"type": "authenticate", "payload": {"token": token, "command": "start"}}
        self._transport: WSTransport
        self._task: asyncio.Task[None]
        self._answered = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._transport, _ = await ws_connect(lambda: self, self._url)
        self._transport.send(WSMsgType.TEXT, json.dumps(self._start).encode())
        self._task = asyncio.create_task(self._ping_forever())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        self._transport.disconnect()
        with suppress(asyncio.CancelledError):
            await self._task

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.PONG:
            self._answered.set()

    def slowest(self, since: float, until: float) -> float:
        """Return the longest delay of an answer to a ping between two monotonic times.

        A ping without an answer counts as answered now. Infinite if there was no ping, as of a
        worker that froze before.
        """
        answers = [*self.answers, *((at, monotonic() - at) for at in self._open)]
        return max((took for at, took in answers if since < at < until), default=math.inf)

    async def _ping_forever(self) -> None:
        while not self._transport.is_disconnected:
            self._answered.clear()
            asked = monotonic()
            self._open = [asked]
            self._transport.send_ping(b"?")
            await self._answered.wait()
            self.answers.append((asked, monotonic() - asked))
            self._open = []
            await asyncio.sleep(INTERVAL)
