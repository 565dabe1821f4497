"""The sends of a phone that the server has not acknowledged yet."""

import asyncio
import time
from collections import deque
from typing import Final, TypeAlias

from ridehail.demo.simulation.tally import Tally

LAST_ACKNOWLEDGEMENTS: Final = 2.0  # seconds that hanging up waits for them

Location: TypeAlias = tuple[float, float]


class Unacknowledged:
    """Matches acknowledgements with sends, in order, and counts them."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._sends: deque[tuple[float, Location]] = deque()
        self._settled = asyncio.Event()

    def add(self, sent_at: float, location: Location) -> None:
        """Note a send; `sent_at` is of `time.perf_counter`."""
        self._sends.append((sent_at, location))
        self._settled.clear()

    def acknowledged(self, location: Location) -> bool:
        """Match an acknowledgement with the first waiting send of the same location.

        Return False if there is none.
        """
        now = time.perf_counter()
        if all(sent != location for _, sent in self._sends):
            self._tally.errors["acknowledgement of something not sent"] += 1
            return False
        while self._sends:
            sent_at, sent = self._sends.popleft()
            if sent == location:
                break
            self._tally.errors["not acknowledged"] += 1
        self._tally.add_acknowledgement(now - sent_at)
        if not self._sends:
            self._settled.set()
        return True

    async def settle(self, reader: asyncio.Task[None]) -> None:
        """Wait for the last acknowledgements while `reader` runs, but not long."""
        settled = asyncio.create_task(self._settled.wait())
        await asyncio.wait(
            {settled, reader},
            timeout=LAST_ACKNOWLEDGEMENTS if self._sends else 0,
            return_when=asyncio.FIRST_COMPLETED,
        )
        settled.cancel()

    def give_up(self) -> None:
        """Count all as not acknowledged: the connection has ended."""
        if self._sends:
            self._tally.errors["not acknowledged"] += len(self._sends)
            self._sends.clear()
