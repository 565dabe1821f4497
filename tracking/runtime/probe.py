"""Checks that may hang, and that anybody may ask for at any rate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """Asks once at a time, and keeps the answer for `keep` seconds.

    However many ask, they cost one question per `keep`; and a question that hangs is not asked
    once more until it is through, so that nothing piles up behind it.
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
        """Return the answer or raise what `question` raised, and `TimeoutError` after `timeout`."""
        now = asyncio.get_running_loop().time()
        if self._task is None or (self._task.done() and now - self._asked_at >= self._keep):
            self._asked_at = now
            self._task = asyncio.ensure_future(self._question())
            # By the time that it fails, nobody may wait for it any more.
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
    """Keep asyncio from logging an error as one that nobody heard of."""
    if not task.cancelled():
        task.exception()
