"""Natural batching: work that arrives while one batch is processed forms the next batch.

A single item is processed at once, without the delay of a timer. Under load batches grow, and the
cost of an item falls. Broadcast, storage and loading all use `Flusher`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from tracking.engine.database import is_unavailable
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Splits of one batch. With more, the cause concerns most keys, and each split costs two loads.
MAX_SPLITS: Final = 32

Key = TypeVar("Key")
Value = TypeVar("Value")


class Flusher:
    """Awaits `flush` when scheduled, again if scheduled meanwhile, and never concurrently.

    `flush` processes all items that its owner has collected, and must handle its own errors, so
    that every caller gets a result. An error that it raises is logged, and the next batch is
    processed. A task exists only while there is work.
    """

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._woken = False
        self._task: asyncio.Task[None] | None = None

    def schedule(self) -> None:
        """Flush the collected items, after the current flush if there is one."""
        self._woken = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def drain(self) -> None:
        """Wait until all collected items are flushed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Stop, and cancel the current flush."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._woken:
                self._woken = False
                try:
                    await self._flush()
                except Exception:
                    logger.exception("A batch was lost")
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise  # Cancelled by `close`. Otherwise `flush` raised it.
                    logger.exception("A batch was lost")
        finally:
            self._task = None


class Loader(Generic[Key, Value]):
    """Loads values by key; keys requested during one load are loaded together in the next.

    `load` maps a list of keys to the values that exist.
    """

    def __init__(self, load: Callable[[list[Key]], Awaitable[Mapping[Key, Value]]]) -> None:
        self._load = load
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._flusher = Flusher(self._flush)

    async def get(self, key: Key) -> Value | None:
        """Return the value of `key`, read after this call, or None; raise the errors of `load`."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._flusher.schedule()
        # Shielded, because others may wait for the same key.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Stop, and cancel pending requests."""
        await self._flusher.close()
        for future in self._waiting.values():
            future.cancel()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        parts, splits = [list(waiting)], 0
        try:
            while parts:
                keys = parts.pop()
                try:
                    values = await self._load(keys)
                    found = [values.get(key) for key in keys]
                except Exception as error:
                    if len(keys) > 1 and splits < MAX_SPLITS and not is_unavailable(error):
                        # One key may be at fault, and must not fail the others.
                        splits += 1
                        middle = len(keys) // 2
                        parts += [keys[middle:], keys[:middle]]
                        continue
                    for key in keys:
                        waiting[key].set_exception(error)
                        waiting[key].exception()  # Mark as retrieved: the caller may be cancelled.
                else:
                    for key, value in zip(keys, found, strict=True):
                        waiting[key].set_result(value)
        finally:
            # Affects only futures without a result, after a cancellation.
            for future in waiting.values():
                future.cancel()
