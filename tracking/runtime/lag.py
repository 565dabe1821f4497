"""How late the event loop is: what everybody on it has to wait before anything happens for them."""

import asyncio
from collections import deque
from typing import Final

# Seconds between two looks, and how many of them are remembered: at least 15 s.
INTERVAL: Final = 0.25
LOOKS: Final = 60
# So many looks in a row that were late are no hiccup, such as a large garbage collection.
SUSTAINED_LOOKS: Final = 10


class Lag:
    """Measures, four times a second, how much later than due the event loop runs a timer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: deque[float] = deque(maxlen=LOOKS)
        self._look_again()

    def worst(self) -> float:
        """Return the most seconds that it was late in the last quarter of a minute."""
        return max(self._late, default=0.0)

    def sustained(self) -> float:
        """Return how many seconds it was late at the least in the last ten looks."""
        latest = list(self._late)[-SUSTAINED_LOOKS:]
        return min(latest) if len(latest) == SUSTAINED_LOOKS else 0.0

    def close(self) -> None:
        """Stop looking."""
        self._timer.cancel()

    def _look_again(self) -> None:
        self._due = self._loop.time() + INTERVAL
        self._timer = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._late.append(max(0.0, self._loop.time() - self._due))
        self._look_again()
