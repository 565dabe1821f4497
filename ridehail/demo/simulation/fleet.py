"""Many simulated phones in one process, with a progress line."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.dispatch_api import DispatchApi
from ridehail.demo.simulation.phone import Phone
from ridehail.demo.simulation.rides import Rides
from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.token import Mint, Token
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.ids import DriverId, UserId

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
    signal. With a `dispatcher`, the others drive the `riders`. All drive `speed` times as fast as
    cars do.
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
        speed: float = 1.0,
        dispatcher: Mint | None = None,
        riders: Sequence[UserId] = (),
    ) -> None:
        self.tally = Tally()
        self._interval, self._say = interval, say
        city, rng = City.load(), random.Random(seed)  # noqa: S311, a game of chance
        self._driving = len(mints) - offline
        self._phones = [
            Phone(
                driver_id,
                Vehicle(city, random.Random(rng.getrandbits(64))),  # noqa: S311, as above
                mint,
                url=url,
                interval=interval,
                tally=self.tally,
                rng=rng,
                speed=speed,
                signal=SIGNAL if self._driving - stale <= number < self._driving else math.inf,
                has_shifts=dispatcher is not None,
            )
            for number, (driver_id, mint) in enumerate(mints.items())
        ]
        self._rides: Rides | None = None
        if dispatcher is not None:
            self._rides = Rides(
                DispatchApi(url, Token(dispatcher), self.tally),
                {phone.driver_id: phone for phone in self._phones[: self._driving - stale]},
                riders,
                city=city,
                rng=rng,
                speed=speed,
            )

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
        if self._rides is not None:
            ends.append(asyncio.create_task(self._rides.run()))
        started = time.perf_counter()
        try:
            while not any(end.done() for end in ends):
                await asyncio.wait(ends, timeout=every, return_when=asyncio.FIRST_COMPLETED)
                now = time.perf_counter()
                show(self._progress(max(now - started, 1e-3)))
                started = now
            for end in ends:
                if end.done():
                    await end  # a bug in a phone is not hidden
        finally:
            for end in ends:
                end.cancel()  # and with it every phone
            await asyncio.gather(*drives, *ends, return_exceptions=True)
            if self._rides is not None:
                await self._rides.close()

    def _progress(self, seconds: float) -> str:
        line = self.tally.progress(self.size, seconds)
        return line if self._rides is None else f"{line}  {self._rides.progress()}"

    async def _drive(self, phone: Phone, delay: float, shift: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(shift):
                await phone.run(delay)
        if phone.stopped is not None:
            self._say(phone.stopped)
