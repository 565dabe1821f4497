"""Records of fixes sent, acknowledged and delivered, by number and monotonic time. No I/O.

A driver's fixes are numbered from 1. The latitude carries the number and the longitude the driver,
so that every frame and every row names the fix it belongs to, and each lost fix can be counted.
"""

import json
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Set
from itertools import pairwise

# Numbers and ids below 10 million, so that the degrees stay in range.
_STEP = 1e-6
_LATITUDE, _LONGITUDE = 10, 20


class WrongFrameError(AssertionError):
    """Raised for a frame or row that the fixes sent so far do not explain."""


def location(driver_id: int, number: int) -> tuple[str, str]:
    """Return latitude and longitude of a driver's fix by its number."""
    return f"{_LATITUDE + number * _STEP:.6f}", f"{_LONGITUDE + driver_id * _STEP:.6f}"


def number_of(driver_id: int, latitude: float, longitude: float) -> int:
    """Return the number of the driver's fix at this location; raise `WrongFrameError` if none."""
    number = round((latitude - _LATITUDE) / _STEP)
    if [float(degrees) for degrees in location(driver_id, number)] != [latitude, longitude]:
        raise WrongFrameError(f"driver {driver_id} was never at {latitude}, {longitude}")
    return number


class DriverLedger:
    """One driver's fixes: the times of sending and of acknowledgement."""

    def __init__(self, driver_id: int) -> None:
        self.driver_id = driver_id
        self.sent_at = [-math.inf]  # by number; there is no fix 0
        self.acknowledged_at: dict[int, float] = {}
        self.acknowledged = 0  # the newest
        # Fixes that a newer one's acknowledgement covered: without a history, after a long outage.
        self.skipped = 0
        self._pending: deque[int] = deque()

    @property
    def sent(self) -> int:
        """Return the number of the newest fix."""
        return len(self.sent_at) - 1

    @property
    def settled(self) -> bool:
        """Return whether the newest fix is acknowledged."""
        return self.acknowledged == self.sent

    def connect(self) -> None:
        """Begin a new connection. Fixes not acknowledged on the former one remain so."""
        self._pending.clear()

    def send(self, now: float) -> int:
        """Record the next fix, and return its number."""
        self.sent_at.append(now)
        self._pending.append(self.sent)
        return self.sent

    def acknowledge(self, frame: str, now: float) -> None:
        """Record an acknowledgement. They must keep the order of the connection's sends."""
        number = self.read(frame)
        if number not in self._pending:
            raise WrongFrameError(f"driver {self.driver_id}: fix {number} acknowledged out of turn")
        while self._pending.popleft() != number:
            self.skipped += 1
        self.acknowledged_at[number] = now
        self.acknowledged = number

    def read(self, frame: str) -> int:
        """Return the number of the fix in a location frame, which must have been sent."""
        content = json.loads(frame)
        if list(content) != ["location_lat", "location_lon"]:
            raise WrongFrameError(f"driver {self.driver_id}: {frame}")
        number = number_of(self.driver_id, *map(float, content.values()))
        if not 1 <= number <= self.sent:
            raise WrongFrameError(f"driver {self.driver_id}: fix {number} of {self.sent}")
        return number


class WatcherLedger:
    """The fixes that one watcher of a driver received, with times."""

    def __init__(self, driver: DriverLedger) -> None:
        self.driver = driver
        self.deliveries: list[tuple[float, int]] = []
        self.seen = 0  # the newest on the present connection

    def connect(self) -> None:
        """Begin a new connection, which starts with a snapshot."""
        self.seen = 0

    def deliver(self, frame: str, now: float) -> None:
        """Record a frame, which must be newer than all others of this connection."""
        number = self.driver.read(frame)
        if number <= self.seen:
            raise WrongFrameError(f"driver {self.driver.driver_id}: {number} after {self.seen}")
        self.seen = number
        self.deliveries.append((now, number))

    def gap(self, since: float, until: float) -> float:
        """Return the longest time without a frame between two monotonic times."""
        times = [at for at, _ in self.deliveries if since < at < until]
        return max(later - sooner for sooner, later in pairwise([since, *times, until]))

    def lateness(self, since: float, until: float) -> float:
        """Return the longest time for which this watcher waited for a newer fix already sent."""
        worst, seen = 0.0, 0
        for at, number in [*self.deliveries, (until, self.driver.sent)]:
            if number > seen and at > since:
                # It waited from the first fix after the one seen before, or from `since`.
                waited = min(at, until) - max(self.driver.sent_at[seen + 1], since)
                worst = max(worst, waited)
            seen = max(seen, number)
        return worst

    def prompt_since(self, seconds: float, until: float) -> float:
        """Return the time from which on, until `until`, it never waited longer than that."""
        worst, seen = -math.inf, 0
        for at, number in self.deliveries:
            if at <= until and number > seen:
                if at - self.driver.sent_at[seen + 1] > seconds:
                    worst = at
                seen = number
        return worst


class Ledger:
    """All drivers and watchers of a run."""

    def __init__(self) -> None:
        self.drivers: dict[int, DriverLedger] = {}
        self.watchers: list[WatcherLedger] = []

    @property
    def sent(self) -> int:
        """Return the number of fixes sent."""
        return sum(driver.sent for driver in self.drivers.values())

    @property
    def skipped(self) -> int:
        """Return the number of fixes acknowledged only by a newer one on the connection."""
        return sum(driver.skipped for driver in self.drivers.values())

    @property
    def delivered(self) -> int:
        """Return the number of frames that reached watchers."""
        return sum(len(watcher.deliveries) for watcher in self.watchers)

    def acknowledged(self, since: float = -math.inf, until: float = math.inf) -> int:
        """Return the number of fixes acknowledged between two monotonic times."""
        return sum(
            since < at < until
            for driver in self.drivers.values()
            for at in driver.acknowledged_at.values()
        )

    def acknowledged_again(self, since: float) -> float:
        """Return when every driver had received an acknowledgement again, after that time."""
        return max(
            min((at for at in driver.acknowledged_at.values() if at > since), default=math.inf)
            for driver in self.drivers.values()
        )

    def lost(self, kept: Mapping[int, Set[int]]) -> int:
        """Return the number of acknowledged fixes that are not in the history.

        Raises `WrongFrameError` if a fix is kept that was never sent.
        """
        for driver_id, found in kept.items():
            self._require_sent(driver_id, found)
        return sum(
            len(driver.acknowledged_at.keys() - kept.get(driver.driver_id, set()))
            for driver in self.drivers.values()
        )

    def outdated(self, stored: Mapping[int, int]) -> int:
        """Return the number of acknowledged fixes that are newer than the last known locations.

        Raises `WrongFrameError` if a fix is stored that was never sent.
        """
        for driver_id, number in stored.items():
            self._require_sent(driver_id, {number})
        return sum(
            number > stored.get(driver.driver_id, 0)
            for driver in self.drivers.values()
            for number in driver.acknowledged_at
        )

    def _require_sent(self, driver_id: int, found: Set[int]) -> None:
        if unknown := found - set(range(1, self.drivers[driver_id].sent + 1)):
            raise WrongFrameError(f"driver {driver_id}: fixes {unknown} are stored, not yet sent")

    def behind(self) -> list[WatcherLedger]:
        """Return the watchers that have not received their driver's newest fix."""
        return [watcher for watcher in self.watchers if watcher.seen != watcher.driver.sent]

    def gap(self, since: float, until: float) -> float:
        """Return the longest time any watcher had no frame, between two monotonic times."""
        return max(watcher.gap(since, until) for watcher in self.watchers)

    def lateness(self, since: float, until: float) -> float:
        """Return the longest time any watcher waited for a newer fix, between two times."""
        return max(watcher.lateness(since, until) for watcher in self.watchers)

    def prompt_since(self, seconds: float, until: float) -> float:
        """Return the time from which on, until `until`, no watcher waited longer than that."""
        return max(watcher.prompt_since(seconds, until) for watcher in self.watchers)


def numbers(rows: Iterable[tuple[int, float, float]]) -> dict[int, int]:
    """Return the stored fixes' numbers by driver, from rows of id, latitude and longitude."""
    return {driver_id: number_of(driver_id, *degrees) for driver_id, *degrees in rows}


def all_numbers(rows: Iterable[tuple[int, float, float]]) -> dict[int, set[int]]:
    """Return the numbers of all kept fixes by driver, from rows as of `numbers`.

    Raises `WrongFrameError` if a fix is kept twice.
    """
    found: dict[int, set[int]] = defaultdict(set)
    for driver_id, *degrees in rows:
        number = number_of(driver_id, *degrees)
        if number in found[driver_id]:
            raise WrongFrameError(f"driver {driver_id}: fix {number} is kept twice")
        found[driver_id].add(number)
    return found
