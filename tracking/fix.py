"""One timestamped measurement from a device, and the clock that orders what arrives."""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import msgspec

# A driver's id: the primary key of its user.
DriverId: TypeAlias = int


class Fix(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A fix of one driver: WGS 84 degrees, metres, degrees from true north, metres per second.

    `recorded_at` is when the place was measured, by the device's clock, which is corrected by
    `clock_offset` seconds where that is worth knowing; it is never later than `received_at`, the
    arrival by the server's clock. All times are aware UTC. The field names are `DriverLocation`'s
    columns: `rows` relies on it.

    The place is one thing and the phone another. `heard_at` is when the phone was last heard,
    whatever it said, if that is later than `received_at`. With `disconnected_at` the fix is a
    departure: the driver's connection ended then, was not replaced, and nothing was heard since.
    """

    driver_id: DriverId
    latitude: float
    longitude: float
    recorded_at: datetime
    received_at: datetime
    accuracy: float | None = None
    heading: float | None = None
    speed: float | None = None
    disconnected_at: datetime | None = None
    heard_at: datetime | None = None
    clock_offset: float | None = None

    @property
    def heard(self) -> datetime:
        """Return when the phone was last heard."""
        return self.heard_at or self.received_at

    def merged_with(self, other: "Fix | None") -> "Fix":
        """Return what is known from both fixes of one driver, in whichever order they came.

        The place is the one measured last, and of equal times the one that arrived last; the phone
        was heard at the later of both times; a departure stands until the phone is heard again.
        Return `other` itself where this fix adds nothing. `rows` says the same to the database.
        """
        if other is None:
            return self
        place = self if self.has_newer_place_than(other) else other
        heard = max(self.heard, other.heard)
        left = max(filter(None, (self.disconnected_at, other.disconnected_at)), default=None)
        if left is not None and left < heard:
            left = None
        if place.heard == heard and place.disconnected_at == left:
            return place
        return msgspec.structs.replace(
            place,
            heard_at=heard if heard > place.received_at else None,
            disconnected_at=left,
        )

    def has_newer_place_than(self, other: "Fix") -> bool:
        """Tell which place stands: the device's time decides, then arrival."""
        if self.recorded_at != other.recorded_at:
            return self.recorded_at > other.recorded_at
        return self.received_at > other.received_at

    def is_elsewhere(self, other: "Fix | None") -> bool:
        """Tell whether the place was measured anew, and is no repetition of `other`'s."""
        return (
            other is None
            or self.recorded_at != other.recorded_at
            or self.latitude != other.latitude
            or self.longitude != other.longitude
        )


class ArrivalClock:
    """Aware UTC that never repeats and never goes back, so that arrivals keep their order.

    When the system clock is set back, it creeps on by microseconds until time catches up.
    """

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time of an arrival, at microsecond resolution."""
        now = datetime.now(UTC)
        if now <= self._last:
            now = self._last + timedelta(microseconds=1)
        self._last = now
        return now
