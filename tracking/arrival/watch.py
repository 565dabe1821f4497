"""The watch over the drivers of this process: what each fix reaches, enters or leaves.

It is driven by the state that the database has, not by the moment of a change: as long as a step is
not stored, each fix that proves it causes it again. So nothing is lost with a process, and what two
of them find is stored once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from tracking.arrival.effects import Crossed, Effect, Reached
from tracking.arrival.rows import (
    Whereabouts,
    load_whereabouts,
    load_zones,
    load_zones_version,
)
from tracking.arrival.waypoint import Waypoint
from tracking.arrival.zones import ZoneIndex
from tracking.conf import conf
from tracking.drives import Drive
from tracking.engine.batching import Loader
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.legs import next_waypoint
from tracking.plausibility import Flags, judge
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# A fix that arrived later than this after it was measured causes nothing: nobody wants to be told
# now that the car was there then.
MAX_AGE: Final = timedelta(seconds=60)
# A zone is left after two fixes outside, this far apart.
LEFT_AFTER: Final = timedelta(seconds=10)
# Drivers that are watched, some 300 bytes each. Beyond this the oldest is dropped; that driver's
# next message reads it again.
MAX_DRIVERS: Final = 65_536
# Effects of one driver that no read has shown. Of more, the oldest is taken for stored.
MAX_UNSHOWN: Final = 64
# Seconds between two looks whether the zones have changed.
ZONES_INTERVAL: Final = 5.0
# Drivers per query.
PAGE: Final = 1_000


class Watched:
    """One driver: the waypoints of its trip that count now, and the zones in which it is."""

    __slots__ = (
        "_is_doubtful",
        "_unshown",
        "drive",
        "good",
        "leaving",
        "suspect",
        "waypoints",
        "zones",
    )

    def __init__(self) -> None:
        self.drive: Drive | None = None
        self.waypoints: list[Waypoint] = []
        # The zones in which the driver is; and of those that it may be leaving, since when.
        self.zones: set[int] = set()
        self.leaving: dict[int, datetime] = {}
        # The last plausible fix, and a newer one that is a jump from it.
        self.good: Fix | None = None
        self.suspect: Fix | None = None
        # The effects that no read has shown yet, by what they are about, with the time by the
        # monotonic clock; and whether the last read should have shown them.
        self._unshown: dict[object, tuple[Effect, float]] = {}
        self._is_doubtful = False

    def take_over(self, whereabouts: Whereabouts) -> None:
        """Follow what the database has, and keep the evidence so far.

        A read may have begun before the latest effects were stored. They count nevertheless: the
        car will not give the evidence of an arrival again. If they are lost, `lost` finds them.
        """
        former = self.drive
        self.drive = whereabouts.drive
        self.zones = set(whereabouts.zones)
        self._keep_unshown()
        known = {} if former is None else {each.number: each for each in self.waypoints}
        self.waypoints = [] if self.drive is None else _waypoints_of(self.drive)
        if former is not None and self.drive is not None and former.trip_id == self.drive.trip_id:
            for waypoint in self.waypoints:
                if waypoint.number in known:
                    waypoint.carry_over(known[waypoint.number])
        self.leaving = {pk: since for pk, since in self.leaving.items() if pk in self.zones}

    def advance(self) -> None:
        """Follow the next waypoint, as one is left."""
        assert self.drive is not None  # noqa: S101 - or there would be no waypoint
        known = {waypoint.number: waypoint for waypoint in self.waypoints}
        for number, waypoint in known.items():
            self.drive = self.drive.with_reached(number, waypoint.reached)
        self.waypoints = [known.get(each.number, each) for each in _waypoints_of(self.drive)]

    def note(self, effects: Iterable[Effect]) -> None:
        """Note effects that the driver's fixes have caused."""
        for effect in effects:
            key = (effect.number, effect.step) if isinstance(effect, Reached) else effect.zone_id
            self._unshown.pop(key, None)
            self._unshown[key] = effect, monotonic()
        while len(self._unshown) > MAX_UNSHOWN:
            del self._unshown[next(iter(self._unshown))]

    def lost(self, now: datetime) -> list[Effect]:
        """Return the effects that the last read should have shown, once, to be stored again.

        Storing what is stored changes nothing.
        """
        if not self._is_doubtful:
            return []
        self._is_doubtful = False
        return [
            effect
            for effect, _ in self._unshown.values()
            if isinstance(effect, Reached) or now - effect.at <= MAX_AGE
        ]

    def _keep_unshown(self) -> None:
        oldest = monotonic() - MAX_AGE.total_seconds()
        for key, (effect, since) in [*self._unshown.items()]:
            if isinstance(effect, Crossed) and since < oldest:
                # Since then the driver may have come back by way of another worker.
                is_shown = True
            elif isinstance(effect, Crossed):
                is_shown = effect.entered == (effect.zone_id in self.zones)
                (self.zones.add if effect.entered else self.zones.discard)(effect.zone_id)
            elif self.drive is None or effect.trip_id != self.drive.trip_id:
                is_shown = True  # by another trip, or by none
            else:
                is_shown = effect.step in self.drive.reached.get(str(effect.number), ())
                self.drive = self.drive.with_reached(effect.number, {effect.step})
            if is_shown:
                del self._unshown[key]
        self._is_doubtful = bool(self._unshown)

    def is_plausible(self, fix: Fix) -> bool:
        """Return True if the fix is no jump, and not simulated; a second one after a jump is."""
        flags = judge(fix, self.good, self.suspect)
        if flags:
            self.suspect = fix if flags == Flags.JUMP else self.suspect
            return False
        self.good, self.suspect = fix, None
        return True


class Watch:
    """Finds the effects of fixes.

    `read` runs a function in a thread with a database connection. `known` returns the drivers that
    report to this process.
    """

    def __init__(
        self, read: Callable[..., Awaitable[Any]], known: Callable[[], list[DriverId]]
    ) -> None:
        self._read = read
        self._known = known
        self._loader: Loader[DriverId, Whereabouts] = Loader(
            lambda ids: read(load_whereabouts, ids)
        )
        self._drivers: dict[DriverId, Watched] = {}
        self._zones = ZoneIndex(())
        self._zones_version: object = None
        # Drivers that are to be read in the next round.
        self._stale: set[DriverId] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def follow(self, driver_id: DriverId, trip_id: int | None) -> None:
        """Watch a driver that begins to report, and whose trip this is, if it has one.

        Without a trip and without zones nothing is read, and nothing kept. While the database is
        unavailable the driver is not watched, until it can be read.
        """
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh_forever())
        if driver_id in self._drivers or (trip_id is None and not self._zones):
            return
        try:
            whereabouts = await self._loader.get(driver_id)
        except Exception as error:
            self._stale.add(driver_id)
            logger.warning("The trips of drivers could not be read: %s", reason(error))
            return
        if whereabouts is not None and driver_id not in self._drivers:
            self._take_over(driver_id, whereabouts)

    def observe(self, fixes: Sequence[Fix]) -> Sequence[Effect]:
        """Return the effects of one driver's new fixes, given oldest first."""
        watched = self._drivers.get(fixes[-1].driver_id)
        if watched is None:
            return ()
        again = watched.lost(fixes[-1].recorded_at)
        effects: list[Effect] = []
        for fix in fixes:
            good = watched.good
            if (
                fix.is_measured
                and fix.received_at - fix.recorded_at <= MAX_AGE
                and (good is None or fix.recorded_at > good.recorded_at)
                and watched.is_plausible(fix)
            ):
                self._judge(watched, fix, effects)
        if effects:
            watched.note(effects)
        return [*again, *effects] if again else effects

    def states_changed(self, trips: Mapping[DriverId, int | None]) -> None:
        """Read the drivers again whose trip is another one now."""
        changed = [
            driver_id for driver_id, trip_id in trips.items() if trip_id != self._trip_of(driver_id)
        ]
        self._reread(changed)

    def trips_changed(self, trip_ids: Iterable[int]) -> None:
        """Read the drivers of these trips again."""
        changed = set(trip_ids)
        self._reread(
            driver_id
            for driver_id, watched in self._drivers.items()
            if watched.drive is not None and watched.drive.trip_id in changed
        )

    async def close(self) -> None:
        """Stop."""
        tasks = [*self._tasks, *([self._refreshing] if self._refreshing else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._loader.close()

    def _judge(self, watched: Watched, fix: Fix, effects: list[Effect]) -> None:
        if watched.waypoints:
            # Leaving one makes the next one count, for the same fix.
            while self._judge_waypoints(watched, fix, effects):
                watched.advance()
        if self._zones or watched.zones:
            self._judge_zones(watched, fix, effects)

    def _judge_waypoints(self, watched: Watched, fix: Fix, effects: list[Effect]) -> bool:
        """Return True if the driver has left a waypoint."""
        assert watched.drive is not None  # noqa: S101 - or there would be no waypoints
        for waypoint in watched.waypoints:
            for step in waypoint.add(fix):
                effects.append(
                    Reached(watched.drive.trip_id, waypoint.number, step, fix.recorded_at)
                )
                if step == "departed":
                    return True
        return False

    def _judge_zones(self, watched: Watched, fix: Fix, effects: list[Effect]) -> None:
        at, latitude, longitude = fix.recorded_at, fix.latitude, fix.longitude
        accuracy = fix.accuracy
        inside = self._zones.inside(latitude, longitude)
        for zone_id in inside:
            if zone_id not in watched.zones and self._zones.may_enter(zone_id, accuracy):
                watched.zones.add(zone_id)
                effects.append(Crossed(zone_id, entered=True, at=at))
        if not watched.zones:
            return
        for zone_id in [*watched.zones]:
            if zone_id in inside or not self._zones.clear_of(zone_id, latitude, longitude, None):
                watched.leaving.pop(zone_id, None)
            elif not self._zones.clear_of(zone_id, latitude, longitude, accuracy):
                continue  # it proves neither
            elif at - watched.leaving.setdefault(zone_id, at) >= LEFT_AFTER:
                del watched.leaving[zone_id]
                watched.zones.discard(zone_id)
                effects.append(Crossed(zone_id, entered=False, at=at))

    def _trip_of(self, driver_id: DriverId) -> int | None:
        watched = self._drivers.get(driver_id)
        return None if watched is None or watched.drive is None else watched.drive.trip_id

    def _take_over(self, driver_id: DriverId, whereabouts: Whereabouts) -> None:
        if whereabouts.drive is None and not whereabouts.zones and not self._zones:
            self._drivers.pop(driver_id, None)
            return
        watched = self._drivers.get(driver_id)
        if watched is None:
            watched = self._drivers[driver_id] = Watched()
            if len(self._drivers) > MAX_DRIVERS:
                del self._drivers[next(iter(self._drivers))]
        watched.take_over(whereabouts)

    def _reread(self, driver_ids: Iterable[DriverId]) -> None:
        if wanted := list(driver_ids):
            task = asyncio.create_task(self._read_again(wanted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read_again(self, driver_ids: list[DriverId]) -> None:
        try:
            found: Mapping[DriverId, Whereabouts] = await self._read(load_whereabouts, driver_ids)
        except Exception as error:  # the database is unavailable; the next round retries
            self._stale.update(driver_ids)
            logger.warning("The trips of drivers could not be read: %s", reason(error))
            return
        for driver_id, whereabouts in found.items():
            self._take_over(driver_id, whereabouts)

    async def _refresh_forever(self) -> None:
        while True:
            try:
                await self._refresh_zones()
            except Exception as error:  # the database is unavailable; the next round retries
                logger.warning("Zones could not be read: %s", reason(error))
            stale, self._stale = list(self._stale), set()
            for start in range(0, len(stale), PAGE):
                await self._read_again(stale[start : start + PAGE])
            await asyncio.sleep(ZONES_INTERVAL)

    async def _refresh_zones(self) -> None:
        version = await self._read(load_zones_version)
        if version == self._zones_version:
            return
        were_none = not self._zones
        self._zones, self._zones_version = await self._read(load_zones), version
        for zone_id, why in self._zones.refused.items():
            logger.error("Zone %s is not watched, it has no valid shape: %s", zone_id, why)
        if were_none and self._zones:
            # Until now only drivers with a trip were watched.
            self._stale.update(self._known())


def _waypoints_of(drive: Drive) -> list[Waypoint]:
    """Return the waypoints that count: the next one, and any that is reached and not left.

    If the next one is a stop, the stops that follow count as well: the driver may pass one by, and
    no status says at which one it is.
    """
    wanted = next_waypoint(drive.status, drive.waypoints, drive.reached)
    is_stop = wanted is not None and drive.waypoints[wanted]["kind"] == "stop"
    found = []
    for number, waypoint in enumerate(drive.waypoints):
        reached = set(drive.reached.get(str(number), ()))
        is_ahead = number == wanted or (
            is_stop and wanted is not None and number > wanted and waypoint["kind"] == "stop"
        )
        if not is_ahead and ("arrived" not in reached or "departed" in reached):
            continue
        found.append(
            Waypoint(
                number,
                waypoint["kind"],
                (waypoint["lat"], waypoint["lon"]),
                waypoint.get("arriving_radius") or conf.ARRIVING_RADIUS,
                waypoint.get("arrived_radius") or conf.ARRIVED_RADIUS,
                reached,  # type: ignore[arg-type]  # only steps are stored
            )
        )
    return found
