"""The nearest free drivers, from the state of all drivers in this process's memory.

Measured against the database with 100,000 drivers: docs/nearby.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from datetime import datetime
from heapq import nsmallest
from math import inf
from typing import Final, NamedTuple

from tracking.fix import Fix
from tracking.fleet.grid import Grid
from tracking.fleet.keeper import Keeper
from tracking.fleet.state import Entry, Fleet
from tracking.geo import distance
from tracking.ids import DriverId
from tracking.pipeline.duty import StateRow
from tracking.status import status_of

# Seconds for which the state is kept after a search. A dispatcher searches again within minutes,
# and reading 100,000 drivers takes seconds.
KEEP: Final = 600.0
# Seconds that a search waits for the first read of all drivers, and for their states.
LOAD_TIMEOUT: Final = 10.0
# Seconds after its commit from which on a change of a state is in every answer. A driver must not
# be found a second after it was reserved; the rest is for the answer itself. The states are read
# every 0.4 s, so a search seldom waits for them.
MAX_STATE_AGE: Final = 0.8


class NotLoaded(Exception):
    """Drivers or states could not be read in time: the database is unavailable, or slow."""


class Search(NamedTuple):
    """A search for the `limit` nearest free drivers.

    Only those within `radius` metres, whose location was measured at most `max_age` seconds ago,
    and whose vehicle is of that type, if these are given.
    """

    latitude: float
    longitude: float
    limit: int
    radius: float | None = None
    max_age: float | None = None
    vehicle_type: str = ""
    # With "eta", the caller orders more than it was asked for, and leaves out the last ones.
    order_by: str = "distance"


class Found(NamedTuple):
    """A free driver, and its distance in metres."""

    entry: Entry
    distance: float


class Nearby:
    """Finds the free drivers near a place: available, and not offline.

    `current` waits until all changes of states of so many seconds ago are in `keeper`.
    """

    def __init__(
        self,
        keeper: Keeper,
        now: Callable[[], datetime],
        current: Callable[[float], Awaitable[None]],
    ) -> None:
        self._keeper = keeper
        self._now = now
        self._current = current
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, holder: Hashable) -> None:
        """Keep the state of all drivers at least until `release` is called for this holder."""
        self._keeper.hold(holder)

    def release(self, holder: Hashable) -> None:
        """Drop the state if it has no other holder."""
        self._keeper.release(holder)

    def keep(self, seconds: float) -> None:
        """Keep the state of all drivers for so many seconds from now on."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is None:
            self.hold(self)
        elif self._timer.when() >= due:
            return
        else:
            self._timer.cancel()
        self._timer = loop.call_at(due, self.close)

    @property
    def is_loaded(self) -> bool:
        """True once all drivers were read."""
        return self._keeper.loaded.is_set()

    async def loaded(self) -> None:
        """Wait until all drivers were read. The caller holds the state."""
        await self._keeper.loaded.wait()

    async def settle(self) -> None:
        """Update the statuses that are due, with a turn for others in between."""
        await self._keeper.settle()

    async def search(self, search: Search) -> list[Found]:
        """Return what `nearest` does, once all drivers and recent states are read.

        Raise NotLoaded if that takes longer than `LOAD_TIMEOUT`: an answer never has a driver whose
        state changed a second ago.
        """
        self.keep(KEEP)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT):
                await self.loaded()
                await self.settle()
                # Last, as no other task runs between this and the search.
                await self._current(MAX_STATE_AGE)
        except TimeoutError as error:
            raise NotLoaded from error
        return self.nearest(search)

    async def free_among(self, found: Iterable[Found]) -> set[DriverId]:
        """Return those that were found and are still free; raise NotLoaded as `search` does.

        For a caller that did something in between that took a while.
        """
        try:
            async with asyncio.timeout(LOAD_TIMEOUT):
                await self._current(MAX_STATE_AGE)
        except TimeoutError as error:
            raise NotLoaded from error
        entries = (self._keeper.fleet.entry_of(each.entry.fix.driver_id) for each in found)
        return {each.fix.driver_id for each in entries if each is not None and each.is_free}

    def nearest(self, search: Search) -> list[Found]:
        """Return the free drivers, nearest first. Before the state is loaded there are none."""
        fleet = self._keeper.fleet
        vehicle_type = search.vehicle_type
        free = fleet.free_of_type(vehicle_type) if vehicle_type else fleet.free
        if free is None:
            return []
        since = -inf if search.max_age is None else self._now().timestamp() - search.max_age
        near = free.nearest(
            search.latitude, search.longitude, search.limit, radius=search.radius, since=since
        )
        return [Found(_entry(fleet, key), distance) for distance, key in near]

    @property
    def free(self) -> Grid:
        """The places of the free drivers, by driver."""
        return self._keeper.fleet.free

    def entry_of(self, driver_id: Hashable) -> Entry:
        """Return a free driver."""
        return _entry(self._keeper.fleet, driver_id)

    def close(self) -> None:
        """Release the state that searches and former riders hold."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.release(self)


def nearest_of(rows: Iterable[tuple[Fix, StateRow]], now: datetime, search: Search) -> list[Found]:
    """Return what `Nearby.nearest` does, from the rows of all available drivers."""
    entries = (Entry(fix, status_of(fix, now), duty) for fix, duty in rows)
    found = (
        Found(entry, _distance(search, entry.fix))
        for entry in entries
        if entry.is_free and _fits(entry, now, search)
    )
    within = (each for each in found if search.radius is None or each.distance <= search.radius)
    return nsmallest(search.limit, within, key=lambda each: each.distance)


def _distance(search: Search, fix: Fix) -> float:
    return distance(search.latitude, search.longitude, fix.latitude, fix.longitude)


def _fits(entry: Entry, now: datetime, search: Search) -> bool:
    vehicle_type = search.vehicle_type
    if vehicle_type and (entry.duty is None or entry.duty.vehicle_type != vehicle_type):
        return False
    age = (now - entry.fix.recorded_at).total_seconds()
    return search.max_age is None or age <= search.max_age


def _entry(fleet: Fleet, driver_id: Hashable) -> Entry:
    entry = fleet.entry_of(driver_id)  # type: ignore[arg-type]  # the keys are drivers' ids
    assert entry is not None  # noqa: S101 - `Fleet.remove` removes both
    return entry
