"""The sending side of one connection. Nothing that gives it an event ever waits for it."""

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from tracking import metrics
from tracking.conf import conf

Event = dict[str, Any]


class Outbox:
    """Sends ASGI events, in order with `put`, newest only with `offer`.

    `send_now`, where the server has it, sends a text event and returns True, or returns False if
    that would mean to wait. `on_failure` is told why it cannot go on: `TimeoutError` from a client
    that does not read, or what the server's send raised.

    A send starts at once and within the caller, without a task: that is what makes the fan-out
    cheap (measured deliveries/s on one core: 72,000 so, 46,000 with a long-lived sender task
    per watcher, 28,000 with a task per send). Only when it blocks, because the client does not
    read, a task sees it through, and events wait here: those that were `put` in order (their
    senders bound their number), of those that were offered the newest.
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
        """Return how many events wait that were `put`."""
        return len(self._queue or ())

    def put(self, event: Event) -> None:
        """Send `event` after all that were put before."""
        if self.closed:
            return
        if self._task is None:
            self._start(event)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(event)

    async def drain(self) -> None:
        """Wait until nothing waits, or the client is gone."""
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

    def close(self, code: int, *farewell: Event) -> None:
        """Send what waits, `farewell` and a close frame; take nothing more."""
        if self.closed:
            return
        self._latest = None
        for event in farewell:
            self.put(event)
        self.put({"type": "websocket.close", "code": int(code)})
        self.closed = True

    def abandon(self) -> None:
        """The client is gone: take nothing more, give up what waits."""
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
        # Other OSErrors are what ASGI servers raise when the client is gone, and then their
        # receive says so too.
        if isinstance(error, TimeoutError) or not isinstance(error, OSError):
            self._on_failure(error)

    def _next(self) -> Event | None:
        if self._queue:
            return self._queue.popleft()
        latest, self._latest = self._latest, None
        return latest


def abort(send: Callable[[Event], Any]) -> None:
    """Cut a connection without a word, on servers that can be reached to do so.

    ASGI has no event for it. uvicorn, told to close, first waits for what it has buffered to be
    read, which a client that does not read makes last for ever.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


@types.coroutine
def _rest_of(started: Coroutine[Any, Any, None], future: Any) -> Generator[Any, Any, None]:
    """Await the rest of a coroutine whose first step was made by hand and gave `future`."""
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
