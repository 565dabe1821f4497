"""Recording the looks of streams without blocking the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tracking.access_log import BATCH_SIZE, Look, Way, log_lost, recent, store
from tracking.engine.batching import Flusher
from tracking.engine.database import is_unavailable
from tracking.ids import DriverId, UserId

# The number of looks that may wait while the database is unavailable. More are dropped, and
# counted in the log.
MAX_WAITING: Final = 10_000

# Seconds until a failed batch is retried.
RETRY_DELAY: Final = 1.0


class Recorder:
    """Store looks in batches. `run` runs a function in a thread that may write to the database."""

    def __init__(self, run: Callable[..., Awaitable[Any]]) -> None:
        self._run = run
        self._waiting: list[Look] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flusher = Flusher(self._flush)

    def record(self, viewer_id: UserId | None, way: Way, driver_id: DriverId | None = None) -> None:
        """Record a look at a driver, by default at all drivers. Never blocks."""
        looks = recent.new(viewer_id, way, [driver_id])
        if not looks:
            return
        recent.add(looks)
        if len(self._waiting) >= MAX_WAITING:
            self._drop(looks, BufferError("too many are waiting for the database"))
            return
        self._waiting += looks
        if self._timer is None:
            self._flusher.schedule()

    async def drain(self) -> None:
        """Wait until everything is stored that can be stored."""
        await self._flusher.drain()

    async def close(self) -> None:
        """Stop, and drop the looks that are still waiting."""
        if self._timer is not None:
            self._timer.cancel()
        await self._flusher.close()
        if self._waiting:
            self._drop(self._waiting, BufferError("the server is stopping"))
            self._waiting = []

    async def _flush(self) -> None:
        while self._waiting and self._timer is None:
            batch, self._waiting = self._waiting[:BATCH_SIZE], self._waiting[BATCH_SIZE:]
            try:
                await self._run(store, batch)
            except Exception as error:
                if not is_unavailable(error):
                    self._drop(batch, error)
                    continue
                self._waiting = batch + self._waiting
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(RETRY_DELAY, self._retry)

    def _retry(self) -> None:
        self._timer = None
        self._flusher.schedule()

    def _drop(self, looks: list[Look], error: Exception) -> None:
        # So that the next look of each viewer is recorded again.
        recent.remove(looks)
        log_lost(looks, error)
