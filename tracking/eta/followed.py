"""A driver with a trip: its next waypoint, its newest fix, and when to compute. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tracking.drives import Drive
from tracking.eta.engines.base import Leg, Place
from tracking.eta.engines.straight import estimate
from tracking.eta.line import Line
from tracking.eta.rows import INTERVAL
from tracking.fix import Fix
from tracking.geo import distance
from tracking.legs import next_waypoint
from tracking.models import TripStatus

# Metres from the line beyond which the car has taken another way.
OFF_ROUTE: Final = 150.0
# Then it is computed before the interval is over, but not more often than this: a GPS that strays
# leaves the line with each fix.
MIN_INTERVAL: Final = timedelta(seconds=5)
# A new waypoint is computed from a fix of at most this age. The driver may report to another worker
# by now, which has a newer one.
MAX_AGE: Final = timedelta(seconds=60)
# Metres of the straight line below which the engine's pace is not a rule for the rest of the way.
MIN_STRAIGHT: Final = 300.0

_AT: Final = {TripStatus.ARRIVED_AT_PICKUP: "pickup", TripStatus.ARRIVED_AT_STOP: "stop"}


class Followed:
    """One driver. `target` is the number of the next waypoint, None without one."""

    __slots__ = (
        "_computed_at",
        "_computed_for",
        "_fix",
        "_is_there",
        "_line",
        "_pace",
        "_used",
        "drive",
        "is_owed_a_line",
        "target",
    )

    def __init__(self) -> None:
        self.drive: Drive | None = None
        self.target: int | None = None
        # True while the driver waits at the waypoint: it arrives only once.
        self._is_there = False
        # The newest fix, and the one that was computed with.
        self._fix: Fix | None = None
        self._used: Fix | None = None
        # When the last computation was, and for which waypoint.
        self._computed_at: datetime | None = None
        self._computed_for: int | None = None
        self._line: Line | None = None
        # The engine's seconds and metres per metre of the straight line, for the same waypoint.
        self._pace: Leg | None = None
        # True if the leg is computed, and the line is not, as too many were wanted at once.
        self.is_owed_a_line = False

    def observe(self, fix: Fix) -> None:
        """Take over a fix, unless it is older than another one, or no measurement."""
        former = self._fix
        if fix.is_measured and (former is None or fix.recorded_at > former.recorded_at):
            self._fix = fix

    def take_over(self, drive: Drive) -> None:
        """Follow what the database has. What was reached here may not be stored yet."""
        former = self.drive
        if former is not None and former.trip_id == drive.trip_id:
            merged = {
                number: {**former.reached.get(number, {}), **drive.reached.get(number, {})}
                for number in {*former.reached, *drive.reached}
            }
            drive = drive._replace(reached=merged)
        else:
            self._forget()
            self._computed_at = self._computed_for = None
        self.drive = drive
        self._aim()

    def reach(self, number: int, step: str) -> None:
        """Note that the driver has reached or left a waypoint."""
        assert self.drive is not None  # noqa: S101 - the caller has compared the trip
        self.drive = self.drive.with_reached(number, (step,))
        self._aim()

    def _aim(self) -> None:
        assert self.drive is not None  # noqa: S101 - set before
        status, waypoints, reached = self.drive.status, self.drive.waypoints, self.drive.reached
        target = next_waypoint(status, waypoints, reached)
        if target != self.target:
            self._forget()
        self.target = target
        self._is_there = target is not None and (
            "arrived" in reached.get(str(target), {})
            or _AT.get(TripStatus(status)) == waypoints[target]["kind"]
        )

    def _forget(self) -> None:
        self._line = self._pace = None
        self.is_owed_a_line = False

    @property
    def waypoint(self) -> Mapping[str, Any]:
        """The next waypoint."""
        assert self.drive is not None  # noqa: S101 - asked only if it is due
        assert self.target is not None  # noqa: S101 - as above
        return self.drive.waypoints[self.target]

    @property
    def place(self) -> Place:
        """The place of the newest fix."""
        assert self._fix is not None  # noqa: S101 - asked only if it is due
        return self._fix.latitude, self._fix.longitude

    @property
    def destination(self) -> Place:
        """The place of the next waypoint."""
        return self.waypoint["lat"], self.waypoint["lon"]

    def is_due(self, now: datetime) -> bool:
        """Return True if the time of arrival is to be computed."""
        if self.target is None or self._is_there or self._fix is None:
            return False
        if self._computed_at is None or self._computed_for != self.target:
            return now - self._fix.received_at <= MAX_AGE
        if self._fix is self._used or now - self._computed_at < MIN_INTERVAL:
            return False
        return now - self._computed_at >= INTERVAL or self.is_off_route

    @property
    def has_line(self) -> bool:
        """True if it follows a line."""
        return self._line is not None

    def needs_line(self) -> bool:
        """Return True if there is no line, or the car is not on it."""
        return self._line is None or not self._line.is_near(*self.place, OFF_ROUTE)

    @property
    def is_off_route(self) -> bool:
        """True if the car has left the line that it followed."""
        return self.has_line and self.needs_line()

    def begin(self, now: datetime) -> None:
        """Note that a computation begins: the next one is due after the interval."""
        self._computed_at, self._computed_for, self._used = now, self.target, self._fix

    def note(self, leg: Leg, start: Place) -> None:
        """Note an engine's answer for the way from a place."""
        straight = distance(*start, *self.destination)
        if straight > MIN_STRAIGHT:
            self._pace = Leg(leg.seconds / straight, leg.metres / straight)

    def guess(self, start: Place) -> Leg:
        """Return a guess without an engine: at the pace of its last answer, if there was one."""
        if self._pace is None:
            return estimate(start, self.destination)
        straight = distance(*start, *self.destination)
        return Leg(straight * self._pace.seconds, straight * self._pace.metres)

    def take_line(self, encoded: str) -> str:
        """Follow a new line, and return it; empty if it is none, or not where the car is."""
        self.is_owed_a_line = False
        try:
            self._line = Line(encoded) if encoded else None
        except ValueError:
            self._line = None
        if self.needs_line():
            self._line = None
        return "" if self._line is None else encoded

    def drop_line(self) -> None:
        """Follow no line any more."""
        self._line = None
