"""A well-behaved driver and watcher, who must not be affected by misbehaving clients."""

import asyncio
import threading
import time
from itertools import pairwise
from types import TracebackType
from typing import Self

from .stack import Stack

INTERVAL = 0.25  # seconds between two locations, as the default limit allows
# Seconds without a location that are a gap. On a machine with twice as many busy processes as cores
# 1.02 s were seen while nothing was wrong; what stops a worker stops it for longer.
GAP = 3.0

# The beginning of their coordinates, to search a log for.
LATITUDE, LONGITUDE = "-48.2285", "162.5526"


class Neighbours:
    """Stream from one worker to another, in a thread of their own. A context manager."""

    def __init__(self, stack: Stack) -> None:
        driver_id = stack.new_driver()
        self._driver = stack.driver(driver_id)
        self._watcher = stack.watcher(driver_id)
        self._started = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stream()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    async def _stream(self) -> None:
        async with self._driver as driver, self._watcher as watcher:
            await watcher.start()
            number = 0
            while not self._ended.is_set():
                await driver.post(f"{LATITUDE}{number:03}", f"{LONGITUDE}{number:03}")
                number = (number + 1) % 1000
                await asyncio.sleep(INTERVAL)
                self._started.set()

    def longest_gap(self, since: float = 0) -> float:
        """Return the longest time between two locations that the watcher received, the later one
        after `since`, or since the last one, in seconds.
        """
        times = [*self._watcher.times, time.time()]
        return max(later - earlier for earlier, later in pairwise(times) if later > since)

    @property
    def in_order(self) -> bool:
        """Return whether the watcher's frames are acknowledged ones, in the same order."""
        acknowledged = iter(self._driver.frames)
        # The last may be acknowledged later than it is delivered.
        return all(frame in acknowledged for frame in self._watcher.frames[:-2])
