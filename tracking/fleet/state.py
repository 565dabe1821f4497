"""The current state of the fleet: each driver's newest fix, name and status, and counts by status.

Changed drivers are found without scanning the others, and encoded once for all viewers.
"""

import time
from collections.abc import Callable, Iterator, KeysView, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import takewhile
from typing import Final

from tracking.fix import Fix
from tracking.fleet.grid import Grid
from tracking.geo import distance
from tracking.ids import DriverId
from tracking.models import State
from tracking.pipeline.duty import StateRow
from tracking.protocol.fleet import encode_item, encode_name
from tracking.status import Status, next_change, status_of

# Status changes between two turns of the event loop: some 4 µs each.
MAX_EXPIRIES: Final = 1_000
# Metres within which a car is at the same place, and the seconds after which it stands there.
HERE: Final = 500.0
STAND: Final = 300.0
# Seconds after which a car that leaves the place where it was when it became known to this process
# counts as having stood there; one that was on its way has left before.
STAND_OF_NEW: Final = 90.0


class Entry:
    """One driver. `version` grows with each change; `due` is the time of its next status check.

    `duty` is the driver's state; None if it has none, or if it is not read yet. `left_at` is when
    the driver was last found `HERE` metres from a place where it had stood, for `STAND` seconds or
    more: in seconds since 1970, equal in all processes that saw it, and 0 if this one has not. It
    knows the driver since `known_at`.
    """

    __slots__ = (
        "_here_since",
        "_item",
        "_name",
        "_place",
        "due",
        "duty",
        "fix",
        "known_at",
        "left_at",
        "status",
        "version",
    )

    def __init__(self, fix: Fix, status: Status, duty: StateRow | None) -> None:
        self.fix = fix
        self.status = status
        self.duty = duty
        self._place = fix
        self._here_since = fix.received_at.timestamp() - (STAND - STAND_OF_NEW)
        self.left_at = 0.0
        self.known_at = time.time()
        self.version = 0
        self.due: datetime | None = None
        self._name = encode_name(None)
        self._item: str | None = None

    def move(self, fix: Fix) -> None:
        """Set the newest fix."""
        self.fix = fix
        place = self._place
        if distance(place.latitude, place.longitude, fix.latitude, fix.longitude) > HERE:
            self._place = fix
            at = fix.received_at.timestamp()
            if at - self._here_since >= STAND:
                self.left_at = at
            self._here_since = at

    def rename(self, name: str) -> bool:
        """Set the name; return True if it changed."""
        encoded = encode_name(name)
        changed = encoded != self._name
        self._name = encoded
        return changed

    def touch(self, version: int) -> None:
        """Set the version, and drop the encoded item."""
        self.version = version
        self._item = None

    @property
    def item(self) -> str:
        """Return the encoded item that viewers get; it is encoded once per change."""
        if self._item is None:
            state = trip = None
            if self.duty is not None:
                state, trip = self.duty.state, self.duty.trip_id
            self._item = encode_item(self.fix, self.status, self._name, state, trip)
        return self._item

    @property
    def is_free(self) -> bool:
        """True if the driver can be given a trip: available, and not offline."""
        return (
            self.duty is not None
            and self.duty.state == State.AVAILABLE
            and self.status != Status.OFFLINE
        )


class Fleet:
    """All drivers, in the order of their last change. `now` is the clock for statuses."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._entries: dict[DriverId, Entry] = {}
        self._expiries: list[tuple[datetime, DriverId]] = []
        self.version = 0
        self.counts = dict.fromkeys(Status.values, 0)
        # Drivers whose name must be looked up, as only a fix of theirs is known.
        self.nameless: set[DriverId] = set()
        # The states of drivers, also of those without a location.
        self._duties: dict[DriverId, StateRow] = {}
        # The places of those who are free, with the times of their fixes; also by vehicle type, so
        # that no search looks at vehicles of other types.
        self.free = Grid()
        self._free_of_type: dict[str, Grid] = {}
        self._type_of: dict[DriverId, str] = {}

    @property
    def driver_ids(self) -> KeysView[DriverId]:
        return self._entries.keys()

    def entry_of(self, driver_id: DriverId) -> Entry | None:
        """Return a driver, if it has a location and is not off duty."""
        return self._entries.get(driver_id)

    def fix_of(self, driver_id: DriverId) -> Fix | None:
        """Return the driver's newest fix."""
        entry = self._entries.get(driver_id)
        return entry.fix if entry is not None else None

    def take(self, fix: Fix) -> None:
        """Keep `fix` if it is the driver's newest, and of the present shift."""
        duty = self._duties.get(fix.driver_id)
        if duty is not None and duty.hides(fix.recorded_at):
            return
        entry = self._entries.get(fix.driver_id)
        now = self._now()
        if entry is None:
            entry = Entry(fix, status_of(fix, now), duty)
            self.counts[entry.status] += 1
            self.nameless.add(fix.driver_id)
        else:
            newest = fix.merged_with(entry.fix)
            if newest is entry.fix:
                return
            entry.move(newest)
            self._set_status(entry, now)
        self._touch(entry)
        self._place(entry)
        self._schedule(entry, now)

    def set_states(self, rows: Mapping[DriverId, StateRow]) -> None:
        """Take over drivers' states. Those off duty are removed."""
        for driver_id, duty in rows.items():
            if self._duties.get(driver_id) == duty:
                continue
            self._duties[driver_id] = duty
            entry = self._entries.get(driver_id)
            if entry is None:
                continue
            if duty.hides(entry.fix.recorded_at):
                self.remove(driver_id)
            else:
                entry.duty = duty
                self._touch(entry)
                self._place(entry)

    def rename(self, driver_id: DriverId, name: str) -> None:
        """Set the name of a driver, if it is known."""
        self.nameless.discard(driver_id)
        entry = self._entries.get(driver_id)
        if entry is not None and entry.rename(name):
            self._touch(entry)

    def remove(self, driver_id: DriverId) -> None:
        """Remove a driver."""
        self.nameless.discard(driver_id)
        self._unplace(driver_id)
        entry = self._entries.pop(driver_id, None)
        if entry is not None:
            self.counts[entry.status] -= 1

    def expire(self) -> bool:
        """Update statuses that are due: live becomes stale, and stale offline.

        Return True if more may be due: one call updates at most `MAX_EXPIRIES`, because all drivers
        become stale at once when fixes stop arriving.
        """
        now = self._now()
        for _ in range(MAX_EXPIRIES):
            if not self._expiries or self._expiries[0][0] > now:
                return False
            due, driver_id = heappop(self._expiries)
            entry = self._entries.get(driver_id)
            if entry is None or entry.due != due:
                continue  # The driver was removed, and perhaps added again.
            entry.due = None
            if self._set_status(entry, now):
                self._touch(entry)
                self._place(entry)
            self._schedule(entry, now)
        return True

    def changed_since(self, version: int) -> Iterator[Entry]:
        """Yield the drivers that changed after that version, the newest change first."""
        return takewhile(lambda entry: entry.version > version, reversed(self._entries.values()))

    def free_of_type(self, vehicle_type: str) -> Grid | None:
        """Return the places of those who are free and have such a vehicle; None without any."""
        return self._free_of_type.get(vehicle_type)

    def _place(self, entry: Entry) -> None:
        """Find the driver among the free ones, if it is one."""
        fix, duty = entry.fix, entry.duty
        if duty is None or not entry.is_free:
            self._unplace(fix.driver_id)
            return
        at = fix.recorded_at.timestamp()
        self.free.put(fix.driver_id, fix.latitude, fix.longitude, at)
        former, vehicle_type = self._type_of.get(fix.driver_id, ""), duty.vehicle_type
        if former != vehicle_type:
            self._forget_type(fix.driver_id)
        if vehicle_type:
            self._type_of[fix.driver_id] = vehicle_type
            grid = self._free_of_type.get(vehicle_type)
            if grid is None:
                grid = self._free_of_type[vehicle_type] = Grid()
            grid.put(fix.driver_id, fix.latitude, fix.longitude, at)

    def _unplace(self, driver_id: DriverId) -> None:
        self.free.remove(driver_id)
        self._forget_type(driver_id)

    def _forget_type(self, driver_id: DriverId) -> None:
        vehicle_type = self._type_of.pop(driver_id, "")
        if vehicle_type:
            grid = self._free_of_type[vehicle_type]
            grid.remove(driver_id)
            if not grid:
                del self._free_of_type[vehicle_type]

    def _touch(self, entry: Entry) -> None:
        self.version += 1
        entry.touch(self.version)
        # Moved to the end: the dict is in the order of changes.
        self._entries.pop(entry.fix.driver_id, None)
        self._entries[entry.fix.driver_id] = entry

    def _set_status(self, entry: Entry, now: datetime) -> bool:
        status = status_of(entry.fix, now)
        if status == entry.status:
            return False
        self.counts[entry.status] -= 1
        self.counts[status] += 1
        entry.status = status
        return True

    def _schedule(self, entry: Entry, now: datetime) -> None:
        # One scheduled check per driver, not one per fix: a check that runs too early is repeated.
        if entry.due is None and (delay := next_change(entry.fix, now)) is not None:
            entry.due = now + timedelta(seconds=delay)
            heappush(self._expiries, (entry.due, entry.fix.driver_id))
