"""The lag of the event loop: the time that every connection waits before its turn."""

import asyncio
from collections import deque
from typing import Final

# Seconds between two samples, and the number of samples kept: at least 15 s.
INTERVAL: Final = 0.25
MAX_SAMPLES: Final = 60
# This many late samples in a row mean more than a single delay, such as a large garbage collection.
SUSTAINED_SAMPLES: Final = 10


class Lag:
    """Samples, four times a second, how much later than due the event loop runs a timer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: deque[float] = deque(maxlen=MAX_SAMPLES)
        self._schedule()

    def worst(self) -> float:
        """Return the largest lag of the last 15 s, in seconds."""
        return max(self._late, default=0.0)

    def sustained(self) -> float:
        """Return the smallest lag of the last ten samples, in seconds; 0 with fewer samples."""
        latest = list(self._late)[-SUSTAINED_SAMPLES:]
        return min(latest) if len(latest) == SUSTAINED_SAMPLES else 0.0

    def close(self) -> None:
        """Stop sampling."""
        self._timer.cancel()

    def _schedule(self) -> None:
        self._due = self._loop.time() + INTERVAL
        self._timer = self._loop.call_at(self._due, self._sample)

    def _sample(self) -> None:
        self._late.append(max(0.0, self._loop.time() - self._due))
        self._schedule()
