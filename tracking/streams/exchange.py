"""A consumer's connection without a WebSocket: one message in, then frames out.

The consumer is the one of the socket, so sessions, revocation, limits, draining and metrics are the
same code.
"""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextvars import Context
from typing import Any, Final

from tracking.consumers import TrackingConsumer
from tracking.pipeline.outbox import Event
from tracking.protocol import CloseCode

# Seconds for the first frame, which may need the database.
FIRST_FRAME_TIMEOUT: Final = 10.0
# Seconds until an exchange that nobody reads ends: its client left while it was opened.
UNREAD_TIMEOUT: Final = 10.0
# The close code of a client that leaves.
_LEFT: Final = 1001


class Refused(Exception):
    """The consumer sent an error, or closed, before its first frame."""

    def __init__(self, close_code: int | None, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.close_code, self.code = close_code, code


class Exchange:
    """Runs a consumer that gets one message, and holds one of its frames until that is read.

    The consumer waits for a reader as for a socket that is not read: newer locations replace older
    ones, and it gives up after `TRACKING["SEND_TIMEOUT"]`.
    """

    def __init__(self, consumer: TrackingConsumer, scope: dict[str, Any], message: str) -> None:
        self._consumer = consumer
        self._scope = scope
        self._incoming: list[Event] = [
            {"type": "websocket.receive", "text": message},
            {"type": "websocket.connect"},
        ]
        # One event: a second one would be an older location that a slow reader gets first.
        self._outgoing: asyncio.Queue[Event] = asyncio.Queue(maxsize=1)
        self._loop = asyncio.get_running_loop()
        self._left: asyncio.Future[int] = self._loop.create_future()
        self._reader: asyncio.Task[Any] | None = None
        self.headers: dict[str, str] = {}

    def start(self) -> None:
        """Run the consumer in a task, as a server runs the one of a socket."""
        run: Coroutine[Any, Any, None] = self._consumer(self._scope, self._receive, self.send)
        # Without the request's context, whose threads end before this task does.
        self._task = self._loop.create_task(run, context=Context())
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._timer = self._loop.call_later(UNREAD_TIMEOUT + FIRST_FRAME_TIMEOUT, self.leave)

    @property
    def transport(self) -> "Exchange":
        """Return the object that `outbox.abort` aborts if the client does not read."""
        return self

    def abort(self) -> None:
        """End the response that does not get on."""
        if self._reader is not None:
            self._reader.cancel()

    def leave(self, code: int = _LEFT) -> None:
        """End the consumer, as a client that leaves does."""
        self._timer.cancel()
        if not self._left.done():
            self._left.set_result(code)

    def leave_from_thread(self) -> None:
        """Do as `leave`, from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.leave)

    async def send(self, event: Event) -> None:
        """Take an event of the consumer; wait while the one before is not read."""
        if event["type"] == "websocket.accept":
            self.headers = {name.decode(): value.decode() for name, value in event["headers"]}
        else:
            await self._outgoing.put(event)

    async def _receive(self) -> Event:
        if self._incoming:
            return self._incoming.pop()
        return {"type": "websocket.disconnect", "code": await self._left}

    async def read(self, seconds: float) -> Event | None:
        """Return the next frame or close event, or None if none comes within `seconds`."""
        self._timer.cancel()
        self._reader = asyncio.current_task()
        getting = asyncio.ensure_future(self._outgoing.get())
        try:
            await asyncio.wait(
                {getting, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if getting.done():
                return getting.result()
            if self._task.done() and self._outgoing.empty():
                return {"type": "websocket.close", "code": CloseCode.INTERNAL_ERROR}
            return None
        finally:
            getting.cancel()

    async def read_first(self) -> str:
        """Return the first frame; raise `Refused`."""
        text = await self.read_frame()
        error = json.loads(text).get("error")
        if error is None:
            return text
        closing = await self.read(0.1)
        code = None if closing is None else closing.get("code")
        raise Refused(code, error["code"], error["message"])

    async def read_frame(self) -> str:
        """Return the next frame, which must come soon; raise `Refused`."""
        event = await self.read(FIRST_FRAME_TIMEOUT)
        if event is None or event["type"] == "websocket.close":
            raise Refused(None if event is None else event["code"])
        text: str = event["text"]
        return text


def scope_of(http_scope: Mapping[str, Any], query: str) -> dict[str, Any]:
    """Return the scope of the WebSocket that would have been opened."""
    return {
        "type": "websocket",
        "path": http_scope["path"],
        "query_string": query.encode(),
        "headers": http_scope["headers"],
        "client": http_scope.get("client"),
        "extensions": {},
    }
