"""Natural batching: work that gathers while the last batch is under way becomes the next batch.

Alone, an item leaves at once, and no timer delays it. Under load batches grow by themselves, and
the cost of an item falls. Broadcast, storage and loading all run on this one class.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from tracking.engine.database import is_unavailable
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Beyond, whatever it is, it concerns most of the keys, and each split costs two loads.
MAX_SPLITS: Final = 32

Key = TypeVar("Key")
Value = TypeVar("Value")


class Pump:
    """Awaits `flush` when woken, again if woken meanwhile, and never twice at once.

    `flush` takes all that its owner has gathered. It handles its own errors, so that nobody waits
    for an answer that never comes; one that escapes all the same is logged, and the next batch
    goes. A task exists only while there is work.
    """

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._woken = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Have what was gathered flushed, as soon as the flush under way is done."""
        self._woken = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def drain(self) -> None:
        """Wait until all that was gathered is flushed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Stop, giving up the flush under way."""
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
                        raise  # By `close`. Else it comes from what was flushed.
                    logger.exception("A batch was lost")
        finally:
            self._task = None


class Loader(Generic[Key, Value]):
    """Loads values by key, all that are asked for during one load together in the next.

    `load` maps a list of keys to the values that exist.
    """

    def __init__(self, load: Callable[[list[Key]], Awaitable[Mapping[Key, Value]]]) -> None:
        self._load = load
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._pump = Pump(self._flush)

    async def get(self, key: Key) -> Value | None:
        """Return the value of `key` read after this call, or None; raise what `load` raised."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._pump.wake()
        # Shielded, because others may wait for the same key.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Stop; whoever still waits is cancelled."""
        await self._pump.close()
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
                        # One key may be at fault, which is no reason to fail the others.
                        splits += 1
                        middle = len(keys) // 2
                        parts += [keys[middle:], keys[:middle]]
                        continue
                    for key in keys:  # whoever asked gets it
                        waiting[key].set_exception(error)
                        waiting[key].exception()  # Retrieved: the one who asked may have gone.
                else:
                    for key, value in zip(keys, found, strict=True):
                        waiting[key].set_result(value)
        finally:
            # Cancelled, or worse.
            for future in waiting.values():
                future.cancel()
