"""Many simulated phones in one process, with a progress line."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.phone import Mint, Phone
from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.ids import DriverId

# Seconds for which a phone drives before it becomes stale or offline.
SIGNAL: Final = 5.0
SHIFT: Final = 10.0


class ServerMissing(Exception):
    """Raised if no tracking server answers at the URL; the message gives the reason."""


async def check_server(url: str) -> None:
    """Open and close one WebSocket; raise `ServerMissing` if that fails."""
    try:
        async with connect(f"{url}/driver/set-tracking", compression=None, proxy=None):
            pass
    except InvalidURI as error:
        raise ServerMissing(f"{url} is not a WebSocket URL") from error
    except InvalidHandshake as error:
        raise ServerMissing(f"{url} answers, but not as a tracking server: {error}") from error
    except (OSError, TimeoutError) as error:
        raise ServerMissing(f"no server at {url}: {error}") from error


class Fleet:
    """One phone for each driver in `mints`, which maps drivers to functions that return tokens.

    The last `offline` phones end their shift soon, and the `stale` ones before them lose the GPS
    signal.
    """

    def __init__(
        self,
        mints: Mapping[DriverId, Mint],
        *,
        url: str,
        interval: float,
        seed: int | None,
        say: Callable[[str], None],
        stale: int = 0,
        offline: int = 0,
    ) -> None:
        self.tally = Tally()
        self._interval, self._say = interval, say
        city, rng = City.load(), random.Random(seed)  # noqa: S311, a game of chance
        self._driving = len(mints) - offline
        self._phones = [
            Phone(
                driver_id,
                Vehicle(city, rng),
                mint,
                url=url,
                interval=interval,
                tally=self.tally,
                rng=rng,
                signal=SIGNAL if self._driving - stale <= number < self._driving else math.inf,
            )
            for number, (driver_id, mint) in enumerate(mints.items())
        ]

    @property
    def size(self) -> int:
        return len(self._phones)

    async def run(self, stop: asyncio.Event, show: Callable[[str], None], every: float) -> None:
        """Drive until `stop` is set or no phone is left, and show the progress regularly."""
        # Spread the starts over the interval, as those of real phones are.
        drives = [
            asyncio.create_task(
                self._drive(
                    phone,
                    self._interval * number / self.size,
                    SHIFT if number >= self._driving else None,
                )
            )
            for number, phone in enumerate(self._phones)
        ]
        stopped = asyncio.create_task(stop.wait())
        everyone = asyncio.gather(*drives)
        ends: list[asyncio.Future[Any]] = [stopped, everyone]
        started = time.perf_counter()
        try:
            while not stopped.done() and not everyone.done():
                await asyncio.wait(ends, timeout=every, return_when=asyncio.FIRST_COMPLETED)
                now = time.perf_counter()
                show(self.tally.progress(self.size, max(now - started, 1e-3)))
                started = now
            if everyone.done():
                await everyone  # a bug in a phone is not hidden
        finally:
            stopped.cancel()
            everyone.cancel()  # and with it every phone
            await asyncio.gather(*drives, return_exceptions=True)
            await asyncio.gather(everyone, return_exceptions=True)

    async def _drive(self, phone: Phone, delay: float, shift: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(shift):
                await phone.run(delay)
        if phone.stopped is not None:
            self._say(phone.stopped)
