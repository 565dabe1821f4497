"""Dispatchers who lead many trips through their lives at random times."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Self

from .host import Host
from .load import Load
from .riders import Rider
from .trips import (
    FINAL,
    PROMPT,
    DriverStream,
    Lives,
    Phase,
    StreamLedger,
    TripLedger,
    TripStream,
    measure,
)

_STATUSES = ("enroute_to_pickup", "arrived_at_pickup", "enroute_to_dropoff")


class Dispatch:
    """Trips of these riders, one each, with the riders' apps on the servers in turn.

    There are more drivers than riders: the others take trips over. With `by_grants` the riders of
    each third trip also watch its drivers, which the policy must refuse without a grant. An async
    context manager: when the block begins, all trips have drivers, and all riders follow theirs.
    What is shown `prompt` seconds after it has changed is a leak.
    """

    def __init__(
        self,
        host: Host,
        load: Load,
        urls: Sequence[str],
        riders: Mapping[int, str],
        drivers: Sequence[int],
        *,
        by_grants: bool = True,
        prompt: float = PROMPT,
    ) -> None:
        self.trips: list[TripLedger] = []
        self._riders: list[Rider] = []
        self._host = host
        self._load = load
        self._urls = urls
        self._tokens = riders
        self._by_grants = by_grants
        self._prompt = prompt
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for driver in drivers:
            self._free.put_nowait(driver)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*map(self._create, self._tokens))
            await self._load.until(lambda: all(each.has_opened for each in self._streams), 30)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(rider.close() for rider in self._riders))

    async def run(self, seconds: float) -> None:
        """Lead all trips through their lives, each to its end, within so many seconds."""
        async with asyncio.TaskGroup() as group:
            for trip in self.trips:
                group.create_task(self._live(trip, seconds))

    async def settle(self, seconds: float) -> Lives:
        """Wait until all streams have ended, and return the figures; raise TimeoutError."""
        await self._load.until(lambda: all(each.has_ended for each in self._streams), seconds)
        return measure(self._streams)

    async def left_over(self) -> Any:
        """Return how much is left of the trips, which have all ended."""
        return await self._host.order("audit", [trip.trip_id for trip in self.trips])

    @property
    def _streams(self) -> list[StreamLedger]:
        return [rider.ledger for rider in self._riders]

    async def _create(self, rider: int) -> None:
        driver = await self._free.get()
        answer = await self._host.order(
            "create", riders=[rider], driver=driver, reference=f"R-{rider}", vehicle="van"
        )
        trip = TripLedger(answer["trip"], rider, prompt=self._prompt)
        self.trips.append(trip)
        self._note(trip, answer)
        self._open(TripStream(trip), f"trip/get-tracking?tripId={trip.trip_id}")
        self._watch(trip, driver)

    async def _live(self, trip: TripLedger, seconds: float) -> None:
        steps = list(_STATUSES)
        for _ in range(random.choice((0, 1, 1, 2))):
            steps.insert(random.randint(0, len(steps)), "assign")
        steps.append(random.choice(FINAL))
        began = monotonic()
        for due in sorted(random.uniform(0, seconds) for _ in steps):
            await asyncio.sleep(began + due - monotonic())
            step = steps.pop(0)
            if step == "assign":
                await self._reassign(trip)
            else:
                await self._order(trip, "set_status", step)
        self._free.put_nowait(self._driver_of(trip))

    async def _reassign(self, trip: TripLedger) -> None:
        former, driver = self._driver_of(trip), await self._free.get()
        await self._order(trip, "assign", driver)
        self._free.put_nowait(former)
        self._watch(trip, driver)

    async def _order(self, trip: TripLedger, function: str, *arguments: Any) -> None:
        self._note(trip, await self._host.order(function, trip.trip_id, *arguments))

    @staticmethod
    def _note(trip: TripLedger, answer: Mapping[str, Any]) -> None:
        fields = ("committed", "driver", "status", "assigned_at")
        trip.phases.append(Phase(**{name: answer[name] for name in fields}))

    @staticmethod
    def _driver_of(trip: TripLedger) -> int:
        driver = trip.phases[-1].driver
        assert driver is not None
        return driver

    def _watch(self, trip: TripLedger, driver: int) -> None:
        if self._by_grants and trip.trip_id % 3 == 0:
            self._open(DriverStream(trip, driver), f"driver/get-tracking?userId={driver}")

    def _open(self, ledger: StreamLedger, route: str) -> None:
        turn, count = len(self._riders), len(self._urls)
        urls = [f"{self._urls[(turn + step) % count]}/{route}" for step in range(count)]
        token = self._tokens[ledger.trip.rider]
        self._riders.append(Rider(self._load, urls, token, ledger=ledger))
