"""Keeps the times of arrival of the trips whose drivers report to this process.

Nothing of it is in the path of a fix: a task computes what is due once a second, for all trips
together. Whatever fails, the routing engine or the database, costs nothing but times of arrival.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tracking import changes
from tracking.drives import Drive, load_drives
from tracking.eta.engines.base import Leg, Place
from tracking.eta.followed import Followed
from tracking.eta.router import Router
from tracking.eta.rows import (
    INTERVAL,
    Computed,
    Estimate,
    Outcome,
    load_computed,
    load_routes,
    store,
)
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds from one tick to the next.
TICK: Final = 1.0
# Lines of ways that are asked for in one tick, each with a request. The others are owed theirs, and
# have a time of arrival meanwhile: 1,000 trips that begin at once have their lines within 40 s.
MAX_ROUTES: Final = 25
# Drivers that are followed, some 1 kB each and the line of the way. Beyond this the oldest is
# dropped.
MAX_DRIVERS: Final = 65_536
# Drivers per query.
PAGE: Final = 1_000


class EtaKeeper:
    """Computes and stores times of arrival.

    `run` runs a function in a database thread, and `now` is the time of the runtime's clock.
    """

    def __init__(
        self, router: Router, run: Callable[..., Awaitable[Any]], now: Callable[[], datetime]
    ) -> None:
        self.router = router
        self._run = run
        self._now = now
        self._drivers: dict[DriverId, Followed] = {}
        # Drivers whose trips are to be read.
        self._stale: set[DriverId] = set()
        # Estimates that are not stored yet, by trip.
        self._unstored: dict[int, Estimate] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, driver_id: DriverId, trip_id: int | None) -> None:
        """Follow a driver that begins to report, if it has a trip."""
        if trip_id is None or driver_id in self._drivers:
            return
        self._drivers[driver_id] = Followed()
        if len(self._drivers) > MAX_DRIVERS:
            self._drop(next(iter(self._drivers)))
        self._read_later([driver_id])

    def observe(self, driver_id: DriverId, fix: Fix) -> None:
        """Take over the newest fix of a driver: 0.1 µs without a trip, 0.3 µs with one."""
        followed = self._drivers.get(driver_id)
        if followed is not None:
            followed.observe(fix)

    def reached(self, driver_id: DriverId, trip_id: int, number: int, step: str) -> None:
        """Note that a driver has reached or left a waypoint, before that is stored."""
        followed = self._drivers.get(driver_id)
        if followed and followed.drive is not None and followed.drive.trip_id == trip_id:
            followed.reach(number, step)

    def states_changed(self, trips: Mapping[DriverId, int | None]) -> None:
        """Follow the drivers that have another trip now. They report to this process."""
        for driver_id, trip_id in trips.items():
            if trip_id is None:
                self._drop(driver_id)
            elif driver_id not in self._drivers:
                self.follow(driver_id, trip_id)
            elif self._trip_of(driver_id) != trip_id:
                self._read_later([driver_id])

    def trips_changed(self, trip_ids: Iterable[int]) -> None:
        """Read these trips again."""
        changed = set(trip_ids)
        self._read_later(
            driver_id for driver_id in self._drivers if self._trip_of(driver_id) in changed
        )

    async def tick(self) -> None:
        """Compute what is due, and store it; raise database errors."""
        await self._read_stale()
        now = self._now()
        due = {pk: each for pk, each in self._drivers.items() if each.is_due(now)}
        owed = {pk: each for pk, each in self._drivers.items() if each.is_owed_a_line}
        if due:
            await self._adopt(due, now)
        if due or owed:
            await self._compute(due, owed, now)
        if self._unstored:
            await self._store()

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.router.close()

    def _trip_of(self, driver_id: DriverId) -> int | None:
        drive = self._drivers[driver_id].drive
        return None if drive is None else drive.trip_id

    def _drop(self, driver_id: DriverId) -> None:
        self._drivers.pop(driver_id, None)
        self._stale.discard(driver_id)

    def _read_later(self, driver_ids: Iterable[DriverId]) -> None:
        self._stale.update(driver_ids)
        if self._task is None:
            self._task = asyncio.create_task(self._tick_forever())

    async def _tick_forever(self) -> None:
        loop = asyncio.get_running_loop()
        # Under WSGI the loop ends with the request, before the first tick.
        await asyncio.sleep(TICK)
        while True:
            began = loop.time()
            try:
                await self.tick()
            except Exception as error:  # the database is unavailable; the next tick retries
                logger.warning("Times of arrival could not be kept, retrying: %s", reason(error))
            await asyncio.sleep(max(TICK / 10, began + TICK - loop.time()))

    async def _read_stale(self) -> None:
        while self._stale:
            page = list(self._stale)[:PAGE]
            # First, as a change that comes meanwhile is to be read again.
            self._stale.difference_update(page)
            try:
                drives: Mapping[DriverId, Drive] = await self._run(load_drives, page)
            except BaseException:
                self._stale.update(page)
                raise
            for driver_id in page:
                followed, drive = self._drivers.get(driver_id), drives.get(driver_id)
                if followed is None:
                    continue
                if drive is None:
                    self._drop(driver_id)
                else:
                    followed.take_over(drive)

    async def _adopt(self, due: dict[DriverId, Followed], now: datetime) -> None:
        """Leave out of `due` what another worker has computed just now, and take over its lines."""
        trips = {each.drive.trip_id: pk for pk, each in due.items() if each.drive is not None}
        computed: Mapping[int, Computed] = await self._run(load_computed, list(trips))
        known = {
            trip_id: each
            for trip_id, each in computed.items()
            if each.driver_id == trips[trip_id] and each.waypoint == due[trips[trip_id]].target
        }
        wanted = [pk for pk in known if not due[trips[pk]].has_line]
        routes: Mapping[int, str] = await self._run(load_routes, wanted) if wanted else {}
        for trip_id, each in known.items():
            followed = due[trips[trip_id]]
            if each.waypoint != followed.target:  # it has changed meanwhile
                continue
            if trip_id in routes:
                followed.take_line(routes[trip_id])
                # Decoding a line of 300 places takes 0.5 ms.
                await asyncio.sleep(0)
            if now - each.computed_at < INTERVAL and not followed.is_off_route:
                followed.begin(each.computed_at)
        for driver_id in [pk for pk, followed in due.items() if not followed.is_due(now)]:
            del due[driver_id]

    async def _compute(
        self, due: Mapping[DriverId, Followed], owed: Mapping[DriverId, Followed], now: datetime
    ) -> None:
        """Ask the engine: for lines one by one, and for all other trips at once."""
        for followed in due.values():
            followed.is_owed_a_line = self.router.is_closed and followed.needs_line()
        wanted = [*owed, *(pk for pk in due if pk not in owed and due[pk].is_owed_a_line)]
        wanted = wanted[:MAX_ROUTES] if self.router.is_closed else []
        work = [_Work(pk, self._drivers[pk], now) for pk in wanted]
        timed = [_Work(pk, due[pk], now) for pk in due if pk not in wanted]
        for each in (*work, *timed):
            each.followed.begin(now)
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(self._route(each))
            group.create_task(self._time(timed))

    async def _time(self, works: "Sequence[_Work]") -> None:
        legs = await self.router.legs([(each.start, each.end) for each in works])
        for each, leg in zip(works, legs, strict=True):
            self._keep(each, leg, each.line_without_route())

    async def _route(self, work: "_Work") -> None:
        route = await self.router.route(work.start, work.end)
        if work.is_outdated:
            return
        if route is None:
            self._keep(work, None, work.line_without_route())
        else:
            line = work.followed.take_line(route.line)
            self._keep(work, Leg(route.seconds, route.metres), line)

    def _keep(self, work: "_Work", leg: Leg | None, line: str | None) -> None:
        """Have an estimate stored. Without a leg it is a guess."""
        if work.is_outdated:
            return
        confidence = "low" if leg is None else "high"
        if leg is None:
            leg = work.followed.guess(work.start)
        else:
            work.followed.note(leg, work.start)
        self._unstored[work.drive.trip_id] = Estimate(
            work.drive.trip_id,
            work.driver_id,
            work.target,
            work.kind,
            work.now + timedelta(seconds=leg.seconds),
            leg.metres,
            confidence,
            work.now,
            line,
        )

    async def _store(self) -> None:
        estimates = dict(self._unstored)
        outcome: Outcome = await self._run(store, estimates)
        locked = set(outcome.locked)
        for trip_id, estimate in estimates.items():
            if trip_id not in locked and self._unstored.get(trip_id) is estimate:
                del self._unstored[trip_id]
        if outcome.stored:
            changes.announce(etas=outcome.stored)


class _Work:
    """One computation. The trip may change while the engine is asked."""

    def __init__(self, driver_id: DriverId, followed: Followed, now: datetime) -> None:
        assert followed.drive is not None  # noqa: S101 - it is due
        assert followed.target is not None  # noqa: S101 - as above
        self.driver_id, self.followed, self.now = driver_id, followed, now
        self.drive, self.target = followed.drive, followed.target
        self.kind: str = followed.waypoint["kind"]
        self.start: Place = followed.place
        self.end: Place = followed.destination

    @property
    def is_outdated(self) -> bool:
        """True if the answer is for another trip or waypoint than the driver's now."""
        drive = self.followed.drive
        return (
            drive is None
            or drive.trip_id != self.drive.trip_id
            or self.followed.target != self.target
            or self.followed.destination != self.end
        )

    def line_without_route(self) -> str | None:
        """Return None if the stored line is still right, else that there is none."""
        if self.is_outdated or not self.followed.needs_line():
            return None
        self.followed.drop_line()
        return ""
