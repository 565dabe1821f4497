"""A fix, one timestamped measurement from a device, and the clock that orders arrivals."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tracking.ids import DriverId

# Fields that the history keeps, and the last known location does not.
HISTORY_ONLY: Final = ("battery", "charging", "mock")


class Fix(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A fix of one driver: WGS 84 degrees, metres, degrees from true north, metres per second.

    `recorded_at` is when the location was measured, by the device's clock, corrected by
    `clock_offset` seconds unless that is None. It is never later than `received_at`, the time of
    arrival by the server's clock. All times are aware UTC. The field names are the columns of
    `DriverLocation`, which `pipeline.rows` relies on, but for those in HISTORY_ONLY.

    The location and the phone are tracked separately. `heard_at` is when the phone last sent
    anything, if that is later than `received_at`. `disconnected_at` is when the driver's connection
    ended, if it was not replaced and nothing was received since.

    `battery` is in percent. `mock` is True if the platform said that the location is simulated.
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
    battery: int | None = None
    charging: bool | None = None
    mock: bool = False

    @property
    def heard(self) -> datetime:
        """The time when the phone last sent anything."""
        return self.heard_at or self.received_at

    @property
    def is_measured(self) -> bool:
        """False for a sign of life and for a departure, which repeat an earlier measurement."""
        return self.heard_at is None and self.disconnected_at is None

    @property
    def has_device_time(self) -> bool:
        """True if the device said when it measured. A time of arrival depends on the network."""
        return self.recorded_at != self.received_at

    def merged_with(self, other: "Fix | None") -> "Fix":
        """Return the newest state from two fixes of one driver, which may be in any order.

        The location is the one measured last, and with equal times the one that arrived last;
        `heard` is the later of both; `disconnected_at` stays until the phone is heard again. Return
        `other` itself if this fix adds nothing. `pipeline.rows` does the same in SQL.
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
        """Return True if this location is newer: by `recorded_at`, then by `received_at`."""
        if self.recorded_at != other.recorded_at:
            return self.recorded_at > other.recorded_at
        return self.received_at > other.received_at

    def is_elsewhere(self, other: "Fix | None") -> bool:
        """Return True if this location is a new measurement and does not repeat `other`'s."""
        return (
            other is None
            or self.recorded_at != other.recorded_at
            or self.latitude != other.latitude
            or self.longitude != other.longitude
        )


class ArrivalClock:
    """A clock of aware UTC that never repeats and never goes back, to keep arrivals in order.

    While the system clock is behind, after it was set back, each call adds one microsecond.
    """

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the current time, with a resolution of a microsecond."""
        now = datetime.now(UTC)
        if now <= self._last:
            now = self._last + timedelta(microseconds=1)
        self._last = now
        return now
