"""The sending side of one connection. Callers never wait for it."""

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from tracking import metrics
from tracking.conf import conf

Event = dict[str, Any]


class Outbox:
    """Sends ASGI events: with `put` all in order, with `offer` only the newest.

    `send_now`, if the server has it, sends a text event and returns True, or returns False if it
    would have to wait. `on_failure` is called with the error that ended sending: `TimeoutError` if
    the client does not read, or what the server's send raised.

    A send starts at once and within the caller, without a task: that is what makes the fan-out
    cheap (measured deliveries/s on one core: 72,000 this way, 46,000 with a long-lived sender task
    per watcher, 28,000 with a task per send). Only when it blocks, because the client does not
    read, a task finishes it, and events wait here: all that were `put`, in order (their senders
    bound their number), and the newest of those that were offered.
    """

    __slots__ = (
        "_latest",
        "_on_failure",
        "_queue",
        "_send",
        "_send_now",
        "_task",
        "closed",
        "sent",
    )

    def __init__(
        self,
        send: Callable[[Event], Coroutine[Any, Any, None]],
        on_failure: Callable[[Exception], None],
        send_now: Callable[[Event], bool] | None = None,
    ) -> None:
        self._send = send
        self._send_now = send_now
        self._on_failure = on_failure
        # Made when needed: an empty deque has 0.7 KiB, and most outboxes never block.
        self._queue: deque[Event] | None = None
        self._latest: Event | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False
        self.sent = 0

    def __len__(self) -> int:
        """Return how many events passed to `put` wait."""
        return len(self._queue or ())

    def put(self, event: Event) -> None:
        """Send `event` after all earlier ones."""
        if self.closed:
            return
        if self._task is None:
            self._start(event)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(event)

    async def drain(self) -> None:
        """Wait until all events are sent, or the client has disconnected."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def offer(self, event: Event) -> None:
        """Send `event`, unless a newer one is offered before the client takes it."""
        if self.closed:
            return
        if self._task is None:
            self._start(event)
        else:
            if self._latest is not None:
                metrics.fixes_conflated.add("watcher")
            self._latest = event

    def withdraw(self) -> None:
        """Drop the event that was offered and not sent yet."""
        self._latest = None

    def close(self, code: int, *last_events: Event) -> None:
        """Send the events `put` before, `last_events` and a close frame; accept nothing more."""
        if self.closed:
            return
        self._latest = None
        for event in last_events:
            self.put(event)
        self.put({"type": "websocket.close", "code": int(code)})
        self.closed = True

    def abandon(self) -> None:
        """Drop what waits and accept nothing more, because the client has disconnected."""
        self.closed = True
        self._queue = self._latest = None
        if self._task is not None:
            self._task.cancel()

    def _start(self, event: Event) -> None:
        self.sent += 1
        try:
            if self._send_now is not None and "text" in event and self._send_now(event):
                return
            sending = self._send(event)
            # The ASGI servers' sends suspend on plain futures only, so a first step can be made
            # outside a task of its own.
            future = sending.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._fail(error)
            return
        rest = _rest_of(sending, future)
        self._task = asyncio.get_running_loop().create_task(self._finish_sending(rest))

    async def _finish_sending(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(conf.SEND_TIMEOUT):
                await sending
            while (event := self._next()) is not None:
                async with asyncio.timeout(conf.SEND_TIMEOUT):
                    await self._send(event)
                self.sent += 1
        except Exception as error:
            self._fail(error)
        finally:
            self._task = None

    def _fail(self, error: Exception) -> None:
        self.closed = True
        # ASGI servers raise other OSErrors when the client has disconnected, which their receive
        # reports as well.
        if isinstance(error, TimeoutError) or not isinstance(error, OSError):
            self._on_failure(error)

    def _next(self) -> Event | None:
        if self._queue:
            return self._queue.popleft()
        latest, self._latest = self._latest, None
        return latest


def abort(send: Callable[[Event], Any]) -> None:
    """Abort a connection without a close frame, on servers whose transport is accessible.

    ASGI has no event for it. On a close event uvicorn first waits until the client has read what
    is buffered, which never ends if the client does not read.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


@types.coroutine
def _rest_of(started: Coroutine[Any, Any, None], future: Any) -> Generator[Any, Any, None]:
    """Await the rest of a coroutine whose first step was run by the caller and yielded `future`."""
    while True:
        try:
            try:
                value = yield future
            except BaseException as error:  # a cancellation is the coroutine's to handle
                future = started.throw(error)
            else:
                future = started.send(value)
        except StopIteration:
            return
