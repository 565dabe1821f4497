"""Asks the routing engine, as long as it works. It may hang or answer nonsense, but it costs
nothing but the confidence.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from tracking.eta.breaker import Breaker
from tracking.eta.engines.base import TIMEOUT, Engine, EngineError, Leg, Place, Refused, Route
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Requests at the same time. More would make each of them slower.
MAX_REQUESTS: Final = 4
# Halvings of one list of pairs, to find those for which the engine has no answer.
MAX_SPLITS: Final = 16

Answer = TypeVar("Answer")
Pairs = Sequence[tuple[Place, Place]]


class Router:
    """One engine of one event loop, or none: then nothing has an answer."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._breaker = Breaker()
        self._turns = asyncio.Semaphore(MAX_REQUESTS)

    @property
    def is_closed(self) -> bool:
        """True while the engine works, as far as is known."""
        return self._engine is not None and self._breaker.is_closed

    async def legs(self, pairs: Pairs) -> list[Leg | None]:
        """Return the ways of pairs of places, None for those without an answer. Never raise."""
        if self._engine is None or not pairs:
            return [None] * len(pairs)
        parts = [*self._divided(pairs)]
        found = await asyncio.gather(
            *(self._part([pairs[number] for number in part]) for part in parts)
        )
        legs: list[Leg | None] = [None] * len(pairs)
        for part, answers in zip(parts, found, strict=True):
            for number, leg in zip(part, answers, strict=True):
                legs[number] = leg
        return legs

    async def route(self, start: Place, end: Place) -> Route | None:
        """Return a way with its line, None if there is none. Never raise."""
        if self._engine is None:
            return None
        try:
            return await self._ask(self._engine.route, start, end)
        except EngineError:
            return None

    async def close(self) -> None:
        """Close the engine's connections."""
        if self._engine is not None:
            await self._engine.close()

    def _divided(self, pairs: Pairs) -> Iterator[list[int]]:
        """Yield the numbers of all pairs, those of one request at a time."""
        assert self._engine is not None  # noqa: S101 - `legs` has checked it
        size = max(1, self._engine.max_pairs)
        groups: dict[Place | None, list[int]] = {}
        for number, (_, end) in enumerate(pairs):
            groups.setdefault(end if self._engine.one_end else None, []).append(number)
        for numbers in groups.values():
            for first in range(0, len(numbers), size):
                yield numbers[first : first + size]

    async def _part(self, pairs: Pairs) -> list[Leg | None]:
        """Return the ways of as many pairs as fit into one request.

        If the engine refuses them, one of them may be at fault, and must not fail the others.
        """
        assert self._engine is not None  # noqa: S101 - `legs` has checked it
        legs: list[Leg | None] = [None] * len(pairs)
        parts, splits = [(0, len(pairs))], 0
        while parts:
            start, end = parts.pop()
            try:
                found = await self._ask(self._engine.matrix, pairs[start:end])
                if len(found) == end - start:
                    legs[start:end] = found
            except Refused:
                if end - start > 1 and splits < MAX_SPLITS:
                    splits += 1
                    middle = (start + end) // 2
                    parts += [(middle, end), (start, middle)]
            except EngineError:
                break
        return legs

    async def _ask(self, ask: Callable[..., Awaitable[Answer]], *args: object) -> Answer:
        """Return an answer; raise EngineError, whatever the engine raises."""
        async with self._turns:
            now = asyncio.get_running_loop().time
            if not self._breaker.allows(now()):
                raise EngineError("it has failed before")
            try:
                # The engine has a timeout of its own. One that a host wrote may have none.
                async with asyncio.timeout(TIMEOUT + 1):
                    answer = await ask(*args)
            except Refused:
                self._breaker.succeed()
                raise
            except Exception as error:
                self._breaker.fail(now())
                what = str(error) if isinstance(error, EngineError) else reason(error)
                logger.warning("The routing engine failed, times are estimated: %s", what)
                raise EngineError(what) from error
            except asyncio.CancelledError:
                self._breaker.cancel()
                raise
            self._breaker.succeed()
            return answer
