"""One timestamped measurement from a device, and the clock that orders what arrives."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

# Of one process: 5 MB. A thousand phones whose clocks are ahead, each reporting every 5 s, fill it
# in more than a minute, within which they repeat what they repeat.
MOST_FUTURE_TIMES: Final = 16_384


class Fix(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A fix of one driver: WGS 84 degrees, metres, degrees from true north, metres per second.

    `recorded_at` is the device's clock and never later than `received_at`, the server's; both
    are aware UTC. The field names are `DriverLocation`'s columns: `storage` relies on it.

    With `disconnected_at` it is a departure: the driver's newest fix once more, told, stored and
    broadcast like any other, of one whose connection ended then and was not replaced.
    """

    driver_id: int
    latitude: float
    longitude: float
    recorded_at: datetime
    received_at: datetime
    accuracy: float | None = None
    heading: float | None = None
    speed: float | None = None
    disconnected_at: datetime | None = None

    def is_newer_than(self, other: "Fix | None") -> bool:
        """Tell whether this fix replaces `other`: the device's clock decides, then arrival.

        The same fix once more is no news, unless its driver left after the other, or is back.
        `storage` says the same to the database.
        """
        if other is None:
            return True
        if self.recorded_at != other.recorded_at:
            return self.recorded_at > other.recorded_at
        if self._measured() != other._measured() or other.disconnected_at is not None:
            return self.received_at > other.received_at
        return self.disconnected_at is not None and self.received_at >= other.received_at

    def _measured(self) -> tuple[float | None, ...]:
        return self.latitude, self.longitude, self.accuracy, self.heading, self.speed


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


class FutureTimes:
    """As when times were read that lay in the future, because the device's clock is ahead.

    A fix that such a device repeats, over another connection or over HTTP, is read as before, and
    so is known to be the same.
    """

    __slots__ = ("_arrivals",)

    def __init__(self) -> None:
        self._arrivals: dict[tuple[int, datetime], datetime] = {}

    def read(self, driver_id: int, recorded_at: datetime, now: datetime) -> datetime:
        """Return when a fix counts as recorded that arrives `now` with a time after that."""
        arrived_at = self._arrivals.setdefault((driver_id, recorded_at), now)
        if len(self._arrivals) > MOST_FUTURE_TIMES:
            del self._arrivals[next(iter(self._arrivals))]
        return arrived_at
