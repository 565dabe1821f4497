"""Checks that may hang, and that may be requested by anyone and at any rate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """Asks one question at a time, and caches the answer for `keep` seconds.

    Any number of callers cost one question per `keep` seconds. While a question hangs it is not
    asked again, so that nothing piles up behind it.
    """

    def __init__(
        self, question: Callable[[], Awaitable[Answer]], *, keep: float, timeout: float
    ) -> None:
        self._question = question
        self._keep = keep
        self._timeout = timeout
        self._task: asyncio.Task[Answer] | None = None
        self._asked_at = 0.0

    async def ask(self) -> Answer:
        """Return the answer; raise the error of `question`, or `TimeoutError` after `timeout`."""
        now = asyncio.get_running_loop().time()
        if self._task is None or (self._task.done() and now - self._asked_at >= self._keep):
            self._asked_at = now
            self._task = asyncio.ensure_future(self._question())
            # When it fails, all callers may have timed out.
            self._task.add_done_callback(_retrieve)
        done, _ = await asyncio.wait([self._task], timeout=self._timeout)
        if not done:
            raise TimeoutError
        return self._task.result()

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Prevent asyncio from logging an error as never retrieved."""
    if not task.cancelled():
        task.exception()
