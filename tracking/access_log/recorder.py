"""Records the looks of an event loop's streams, which never wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tracking.access_log import BATCH, Look, Way, lost, recent, store
from tracking.engine.batching import Pump
from tracking.engine.database import is_unavailable

# Looks that wait while the database is unavailable. More are lost, and counted in the log.
MAX_WAITING: Final = 10_000

# Seconds until what failed is tried again.
RETRY_DELAY: Final = 1.0


class Recorder:
    """Gathers looks while others are stored. `run` runs a function in a thread that may write."""

    def __init__(self, run: Callable[..., Awaitable[Any]]) -> None:
        self._run = run
        self._waiting: list[Look] = []
        self._timer: asyncio.TimerHandle | None = None
        self._pump = Pump(self._flush)

    def record(self, viewer_id: int | None, way: Way, driver_id: int | None = None) -> None:
        """Record that somebody looks at a driver, or at all of them."""
        looks = recent.new(viewer_id, way, [driver_id])
        if not looks:
            return
        recent.add(looks)
        if len(self._waiting) >= MAX_WAITING:
            self._lose(looks, BufferError("too many wait for the database"))
            return
        self._waiting += looks
        if self._timer is None:
            self._pump.wake()

    async def drain(self) -> None:
        """Wait until all is stored that can be."""
        await self._pump.drain()

    async def close(self) -> None:
        """Stop; what still waits is lost."""
        if self._timer is not None:
            self._timer.cancel()
        await self._pump.close()
        if self._waiting:
            self._lose(self._waiting, BufferError("the server stops"))
            self._waiting = []

    async def _flush(self) -> None:
        while self._waiting and self._timer is None:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._run(store, batch)
            except Exception as error:
                if not is_unavailable(error):
                    self._lose(batch, error)
                    continue
                self._waiting = batch + self._waiting
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(RETRY_DELAY, self._retry)

    def _retry(self) -> None:
        self._timer = None
        self._pump.wake()

    def _lose(self, looks: list[Look], error: Exception) -> None:
        # The next look of each of them has another chance.
        recent.remove(looks)
        lost(looks, error)
