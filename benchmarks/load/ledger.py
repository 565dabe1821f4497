"""Records of the fixes sent, and checks of the frames received and of the rows stored. No I/O."""

from collections.abc import Iterable

from benchmarks.load.wire import LATITUDES, SEQUENCES, longitude, read_location


class MismatchError(Exception):
    """Raised for a frame that does not match the fixes sent. The run is void."""


class DriverLedger:
    """One driver's fixes, numbered from 1 as sent and acknowledged in the same order."""

    __slots__ = ("acknowledged", "driver_id", "longitude", "sent", "sequences")

    def __init__(self, driver_id: int) -> None:
        self.driver_id = driver_id
        self.longitude = longitude(driver_id)
        self.sent = 0
        self.acknowledged = 0
        # Parsed frames: hundreds of watchers receive the same bytes.
        self.sequences: dict[bytes, int] = {}

    def send(self) -> bytes:
        """Record the next fix and return its latitude."""
        self.sent += 1
        return LATITUDES[self.sent]

    def acknowledge(self, payload: bytes) -> int:
        """Return the number of the acknowledged fix, which must be the oldest one open."""
        sequence = self.sequence(payload)
        if sequence > self.sent or sequence != self.acknowledged + 1:
            raise MismatchError(
                f"driver {self.driver_id}: acknowledgement of fix {sequence} after "
                f"{self.acknowledged}, with {self.sent} sent"
            )
        self.acknowledged = sequence
        return sequence

    def sequence(self, payload: bytes) -> int:
        """Return the number of the fix in this frame."""
        sequence = self.sequences.get(payload)
        if sequence is None:
            sequence = self.sequences[payload] = self._read(payload)
        return sequence

    def _read(self, payload: bytes) -> int:
        try:
            latitude, longitude_ = read_location(payload)
        except ValueError as error:
            raise MismatchError(f"driver {self.driver_id}: {error}") from error
        sequence = SEQUENCES.get(latitude)
        if sequence is None or longitude_ != self.longitude:
            raise MismatchError(f"driver {self.driver_id}: never sent {payload!r}")
        return sequence


class WatcherLedger:
    """The fixes that one watcher of a driver has received: a rising subsequence."""

    __slots__ = ("driver", "seen")

    def __init__(self, driver: DriverLedger) -> None:
        self.driver = driver
        self.seen = -1

    def deliver(self, payload: bytes) -> int:
        """Return the number of the fix in this frame, which must be newer than the last one."""
        driver = self.driver
        sequence = driver.sequence(payload)
        if not self.seen < sequence <= driver.sent:
            raise MismatchError(
                f"a watcher of driver {driver.driver_id}: fix {sequence} after {self.seen}, "
                f"with {driver.sent} sent"
            )
        self.seen = sequence
        return sequence


def check_rows(
    rows: Iterable[tuple[int, float, float]], sent: dict[int, int], acknowledged: dict[int, int]
) -> None:
    """Check that each driver's row (id, latitude, longitude) is its newest acknowledged fix.

    It may be a newer one if fixes were in flight when the run ended. Raises MismatchError.
    """
    stored = {driver_id: (latitude, longitude_) for driver_id, latitude, longitude_ in rows}
    for driver_id, newest in acknowledged.items():
        if driver_id not in stored:
            raise MismatchError(f"driver {driver_id}: no row in the database")
        sequence = _sequence(driver_id, *stored[driver_id])
        if not newest <= sequence <= sent[driver_id]:
            raise MismatchError(
                f"driver {driver_id}: the database holds fix {sequence}, acknowledged is {newest}, "
                f"sent {sent[driver_id]}"
            )


def check_history(
    rows: Iterable[tuple[int, float, float]], sent: dict[int, int], acknowledged: dict[int, int]
) -> None:
    """Check that the history (id, latitude, longitude) holds every acknowledged fix, each once.

    It may hold more, of those in flight when the run ended. Raises MismatchError.
    """
    kept: dict[int, set[int]] = {driver_id: set() for driver_id in acknowledged}
    for driver_id, latitude, longitude_ in rows:
        sequence = _sequence(driver_id, latitude, longitude_)
        if not 1 <= sequence <= sent.get(driver_id, 0):
            raise MismatchError(f"driver {driver_id}: the history has fix {sequence}, never sent")
        if sequence in kept[driver_id]:
            raise MismatchError(f"driver {driver_id}: the history has fix {sequence} twice")
        kept[driver_id].add(sequence)
    for driver_id, newest in acknowledged.items():
        if missing := set(range(1, newest + 1)) - kept[driver_id]:
            raise MismatchError(
                f"driver {driver_id}: the history lacks {len(missing)} of {newest} acknowledged"
                f" fixes, the first is {min(missing)}"
            )


def _sequence(driver_id: int, latitude: float, longitude_: float) -> int:
    """Return the number of the fix in this row. Raises MismatchError."""
    sequence = SEQUENCES.get(b"%.7f" % latitude)
    if sequence is None or b"%.7f" % longitude_ != longitude(driver_id):
        raise MismatchError(
            f"driver {driver_id}: the row ({latitude}, {longitude_}) was never sent"
        )
    return sequence
