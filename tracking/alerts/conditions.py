"""A driver on a trip, and which conditions for an alert are met. Pure.

Each condition has two limits, so that a driver near one of them does not raise an alert again and
again: beyond the first it is met, within the second it is over, and in between nothing changes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from tracking.eta.line import Line
from tracking.geo import distance
from tracking.ids import DriverId
from tracking.legs import next_waypoint
from tracking.models import AlertKind, TripStatus

# Phones report every few seconds. Two minutes are longer than most tunnels, basements and restarts
# of an app. It is over once fixes come again at half a minute's distance.
SILENT_AFTER: Final = timedelta(seconds=120)
HEARD_WITHIN: Final = timedelta(seconds=30)

# Red lights and queues in front of a barrier end earlier; a breakdown or a quarrel does not. A GPS
# strays up to 50 m between high houses while the car stands.
LONG_STOP: Final = timedelta(minutes=5)
STANDING: Final = 50.0
MOVED: Final = 100.0
# Drivers look for a place to stop near a waypoint, and wait there.
NEAR_WAYPOINT: Final = 100.0

# More than a block beside the line, for longer than it takes to go around a closed street. Nearer
# than OFF_ROUTE_OVER the car is on the route again.
OFF_ROUTE: Final = 250.0
OFF_ROUTE_OVER: Final = 150.0
OFF_ROUTE_AFTER: Final = timedelta(seconds=60)
MIN_FIXES: Final = 2

# A fix that may be so many metres off says nothing about standing and routes.
MAX_ACCURACY: Final = 100.0

_ENROUTE: Final = (
    TripStatus.ENROUTE_TO_PICKUP,
    TripStatus.ENROUTE_TO_STOP,
    TripStatus.ENROUTE_TO_DROPOFF,
)


class Place(NamedTuple):
    """A driver's place at a time, by the newest fix: degrees, metres, aware UTC."""

    latitude: float
    longitude: float
    accuracy: float | None
    recorded_at: datetime
    received_at: datetime


class Drive(NamedTuple):
    """A driver's open trip as the database has it, and the waypoint of the stored route, if any."""

    driver_id: DriverId
    trip_id: int
    since: datetime
    status: str
    waypoints: Sequence[Mapping[str, Any]]
    reached: Mapping[str, Mapping[str, Any]] | None
    place: Place | None
    route_waypoint: int | None


class Verdict(NamedTuple):
    """A condition: True if it is met, False once it is over, None in between. And since when."""

    is_met: bool | None
    since: datetime | None = None


_OVER: Final = Verdict(is_met=False)
_UNCHANGED: Final = Verdict(is_met=None)


class Condition:
    """The memory of a process about one driver on one trip."""

    __slots__ = ("_fixes_off", "_leg", "_line", "_off_since", "_place", "_stood_at", "_stood_since")

    def __init__(self) -> None:
        # The newest fix that was looked at.
        self._place: Place | None = None
        # Where the driver stands, and since when.
        self._stood_at: tuple[float, float] | None = None
        self._stood_since: datetime | None = None
        # The first line of the way to the next waypoint: the routing engine makes a new one for a
        # car that leaves it, which would always be on the newest.
        self._leg: int | None = None
        self._line: Line | None = None
        self._off_since: datetime | None = None
        self._fixes_off = 0

    @property
    def line(self) -> str:
        """The line that the driver should follow, empty without one."""
        return "" if self._line is None else self._line.encoded

    @property
    def leg(self) -> int | None:
        """The number of the next waypoint."""
        return self._leg

    def needs_route(self, drive: Drive) -> bool:
        """Return True if the stored route is to be followed."""
        if drive.route_waypoint is None:
            return False
        leg = next_waypoint(drive.status, drive.waypoints, drive.reached)
        return drive.route_waypoint == leg and (self._line is None or self._leg != leg)

    def follow(self, drive: Drive, encoded: str) -> None:
        """Follow a route to the next waypoint, unless it is only a straight line."""
        self._set_leg(drive)
        try:
            line = Line(encoded)
        except ValueError:
            return
        if line.size > 2:
            self._line = line

    def resume(
        self,
        kind: str,
        since: datetime,
        place: tuple[float, float] | None,
        leg: int | None,
        route: str,
    ) -> None:
        """Take over the alert of another process, or of this one before it was restarted."""
        if kind == AlertKind.LONG_STOP and place is not None:
            self._stood_at, self._stood_since = place, since
        elif kind == AlertKind.OFF_ROUTE and route:
            self._leg, self._line = leg, Line(route)
            self._off_since, self._fixes_off = since, MIN_FIXES

    def judge(self, drive: Drive, now: datetime, raised: frozenset[str]) -> dict[str, Verdict]:
        """Return the verdict on each kind; `raised` are those with an open alert."""
        self._set_leg(drive)
        place = drive.place
        is_new = place is not None and (
            self._place is None or place.recorded_at > self._place.recorded_at
        )
        if is_new:
            self._place = place
        exact = (
            place
            if place is not None and is_new and (place.accuracy or 0.0) <= MAX_ACCURACY
            else None
        )
        return {
            AlertKind.SILENT: _silent(drive, now),
            AlertKind.LONG_STOP: self._long_stop(drive, exact, AlertKind.LONG_STOP in raised),
            AlertKind.OFF_ROUTE: self._off_route(exact, AlertKind.OFF_ROUTE in raised),
        }

    def _set_leg(self, drive: Drive) -> None:
        leg = next_waypoint(drive.status, drive.waypoints, drive.reached)
        if leg != self._leg:
            self._leg, self._line = leg, None
            self._off_since, self._fixes_off = None, 0

    def _long_stop(self, drive: Drive, exact: Place | None, is_raised: bool) -> Verdict:  # noqa: FBT001
        if drive.status not in _ENROUTE:
            self._stood_at = self._stood_since = None
            return _OVER
        if exact is not None:
            here = exact.latitude, exact.longitude
            limit = MOVED if is_raised else STANDING
            if self._stood_at is None or distance(*self._stood_at, *here) > limit:
                self._stood_at, self._stood_since = here, exact.recorded_at
            if _is_near_waypoint(drive, here):
                self._stood_at = self._stood_since = None
                return _OVER
        if self._stood_since is None or self._place is None:
            return _OVER
        # By the fixes, as nobody knows whether a silent driver stands.
        if self._place.recorded_at - self._stood_since >= LONG_STOP:
            return Verdict(True, self._stood_since)  # noqa: FBT003
        return _OVER

    def _off_route(self, exact: Place | None, is_raised: bool) -> Verdict:  # noqa: FBT001
        if self._line is None:
            return _OVER
        if exact is not None:
            here = exact.latitude, exact.longitude
            limit = OFF_ROUTE_OVER if is_raised else OFF_ROUTE
            if self._line.is_near(*here, limit):
                self._off_since, self._fixes_off = None, 0
            elif not is_raised or not self._line.is_near(*here, OFF_ROUTE):
                self._off_since = self._off_since or exact.recorded_at
                self._fixes_off += 1
            else:
                return _UNCHANGED
        if self._off_since is None or self._place is None:
            return _OVER
        if (
            self._fixes_off >= MIN_FIXES
            and self._place.recorded_at - self._off_since >= OFF_ROUTE_AFTER
        ):
            return Verdict(True, self._off_since)  # noqa: FBT003
        return _UNCHANGED


def _silent(drive: Drive, now: datetime) -> Verdict:
    # A driver that gets a trip is silent at the earliest from then on.
    heard = drive.since
    if drive.place is not None:
        heard = max(heard, drive.place.received_at)
    silent = now - heard
    if silent >= SILENT_AFTER:
        return Verdict(True, heard)  # noqa: FBT003
    return _OVER if silent <= HEARD_WITHIN else _UNCHANGED


def _is_near_waypoint(drive: Drive, here: tuple[float, float]) -> bool:
    return any(
        distance(*here, float(each["lat"]), float(each["lon"])) <= NEAR_WAYPOINT
        for each in drive.waypoints
    )
