"""The time of the town, which may run faster than the real one."""

import asyncio
import random
from typing import Final

# Real seconds. So a fast town does not flood the server.
SHORTEST_PAUSE: Final = 0.2


class TownTime:
    """Runs `speed` times as fast as real time. `rng` chooses the pauses that vary."""

    def __init__(self, speed: float, rng: random.Random) -> None:
        self._speed, self._rng = speed, rng

    def real(self, seconds: float) -> float:
        """Return the real seconds of so many seconds in the town, at least SHORTEST_PAUSE."""
        return max(SHORTEST_PAUSE, seconds / self._speed)

    async def pause(self, least: float, most: float) -> None:
        """Wait for a while, in seconds of the town."""
        await asyncio.sleep(self.real(self._rng.uniform(least, most)))
