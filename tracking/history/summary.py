"""The summary of a track: distance, stops and gaps, found in one pass. No I/O.

Fixes with a flag count for nothing. While a car stands, its fixes scatter around one place: none of
that is distance, and one that strays far does not end the stop. The rest is the length of the
drive, see `tracking.history.odometer`.
"""

from datetime import datetime
from typing import Final, Self

import msgspec

from tracking.geo import degrees_east, distance
from tracking.history.fixes import TrackFix
from tracking.history.odometer import Odometer

# Longer without a good fix is a gap, in seconds, unless the caller says otherwise.
GAP_AFTER: Final = 60.0

# Fixes of a drive this near to each other, in metres, are replaced by their mean; or three times
# the accuracy, if that is more. Simulated drives with a turn each 300 m, one fix a second or each
# five, came out between -2 % and +1 %, with white noise of 5 m and with slow noise of 10 m.
GROUP_RADIUS: Final = 25.0
MAX_GROUP_RADIUS: Final = 60.0
# A car stands within this radius, in metres; or twice the accuracy, if that is more. White noise of
# 10 m reaches 45 m in a day.
RADIUS: Final = 50.0
MAX_RADIUS: Final = 100.0
# A car within the radius for this long, as at a red light, stands: it covers no distance. Seconds.
MIN_STANDING: Final = 30.0
# A car that stands for this long makes a stop, in seconds.
MIN_STOP: Final = 120.0
# A standing car has left after this many seconds outside, or the shorter time beyond twice the
# radius. Between high buildings, fixes stray for less.
LEFT_AFTER: Final = 60.0
FAR_LEFT_AFTER: Final = 30.0
# One fix outside proves little; only far away and after LEFT_AFTER does it suffice.
MIN_OUTSIDE: Final = 2


class Stop(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"latitude": "lat", "longitude": "lon", "since": "from", "until": "to"},
):
    """A car that stood: the mean of its places, the first fix there and the last one."""

    latitude: float
    longitude: float
    since: datetime
    until: datetime
    seconds: float


class Gap(msgspec.Struct, frozen=True, gc=False, rename={"since": "from", "until": "to"}):
    """A time without good fixes: the last fix before, the first one after, the metres between."""

    since: datetime
    until: datetime
    seconds: float
    distance: float


class Summary:
    """Distance, stops and gaps of a track whose fixes are added one by one, in order.

    They are complete after `finish`. `distance` is in metres, and counts the straight line across a
    gap. A stop goes on through a gap if the car is at the same place afterwards. Memory grows with
    the number of stops and gaps alone.
    """

    def __init__(self, gap_after: float = GAP_AFTER) -> None:
        self.distance = 0.0
        self.stops: list[Stop] = []
        self.gaps: list[Gap] = []
        self._gap_after = gap_after
        self._last: TrackFix | None = None

    def add(self, fix: TrackFix) -> None:
        """Add the next fix of the track, with its flags."""
        if fix.flags:
            return
        last, self._last = self._last, fix
        if last is None:
            self._odometer = Odometer(fix.latitude, fix.longitude)
            self._stay = _Stay(fix, 0.0)
            self._standing: _Stay | None = None
            return
        seconds = (fix.recorded_at - last.recorded_at).total_seconds()
        if seconds > self._gap_after:
            self.gaps.append(_gap(last, fix, seconds))
        standing = self._standing
        if standing is None:
            if self._drive(fix) and self._stay.seconds >= MIN_STANDING:
                self._standing = self._stay
        elif standing.includes(fix):
            standing.add(fix)
            self._stay = standing  # what was outside in between had strayed
        else:
            if standing.outside == 0:
                self._odometer.restart(standing.length, standing.latitude, standing.longitude)
            self._drive(fix)
            if standing.has_ended_at(fix):
                self._standing = None
                self._end(standing)

    def finish(self) -> Self:
        """Complete the summary after the last fix, and return it."""
        if self._last is None:
            return self
        standing = self._standing
        if standing is None or standing.outside:
            self.distance = self._odometer.length_to(self._last.latitude, self._last.longitude)
        else:
            self.distance = standing.length
        if standing is not None:
            self._end(standing)
        return self

    def _drive(self, fix: TrackFix) -> bool:
        """Add a fix to the drive; return True if it may be of a car that has come to stand."""
        latitude, longitude = fix.latitude, fix.longitude
        radius = _radius(3.0, fix.accuracy, GROUP_RADIUS, MAX_GROUP_RADIUS)
        self._odometer.add(latitude, longitude, radius)
        if self._stay.includes(fix):
            self._stay.add(fix)
            return True
        self._stay = _Stay(fix, self._odometer.length_to(latitude, longitude))
        return False

    def _end(self, stay: "_Stay") -> None:
        if stay.seconds >= MIN_STOP:
            longitude = degrees_east(0.0, stay.longitude)
            self.stops.append(Stop(stay.latitude, longitude, stay.since, stay.until, stay.seconds))


class _Stay:
    """Fixes around their mean since the length `arrived` of the drive."""

    __slots__ = (
        "_arrived",
        "_count",
        "_first",
        "latitude",
        "longitude",
        "outside",
        "since",
        "until",
    )

    def __init__(self, fix: TrackFix, arrived: float) -> None:
        self._first = fix
        self._arrived = arrived
        self.latitude, self.longitude = fix.latitude, fix.longitude
        self.since = self.until = fix.recorded_at
        self._count = 1
        self.outside = 0  # fixes since the last one that was inside

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()

    @property
    def length(self) -> float:
        """The length of the drive up to the mean, in metres; 0 if it began here."""
        if not self._arrived:
            return 0.0
        first = self._first
        return self._arrived + distance(
            first.latitude, first.longitude, self.latitude, self.longitude
        )

    def includes(self, fix: TrackFix) -> bool:
        """Return True if the fix may be of a car that stands here."""
        return self._distance_to(fix) <= _radius(2.0, fix.accuracy, RADIUS, MAX_RADIUS)

    def add(self, fix: TrackFix) -> None:
        """Add a fix that is included."""
        self._count += 1
        self.latitude += (fix.latitude - self.latitude) / self._count
        self.longitude += degrees_east(self.longitude, fix.longitude) / self._count
        self.until = fix.recorded_at
        self.outside = 0

    def has_ended_at(self, fix: TrackFix) -> bool:
        """Count a fix that is not included, and return True if the car has left."""
        self.outside += 1
        seconds = (fix.recorded_at - self.until).total_seconds()
        if seconds < FAR_LEFT_AFTER:
            return False
        is_far = self._distance_to(fix) > 2 * RADIUS
        if seconds >= LEFT_AFTER:
            return is_far or self.outside >= MIN_OUTSIDE
        return is_far and self.outside >= MIN_OUTSIDE

    def _distance_to(self, fix: TrackFix) -> float:
        return distance(self.latitude, self.longitude, fix.latitude, fix.longitude)


def _radius(factor: float, accuracy: float | None, usual: float, largest: float) -> float:
    """Return a radius that is right for an accuracy, in metres."""
    if accuracy is None or factor * accuracy <= usual:
        return usual
    return min(factor * accuracy, largest)


def _gap(before: TrackFix, after: TrackFix, seconds: float) -> Gap:
    metres = distance(before.latitude, before.longitude, after.latitude, after.longitude)
    return Gap(before.recorded_at, after.recorded_at, seconds, metres)
