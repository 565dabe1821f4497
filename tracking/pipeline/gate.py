"""Implausible fixes wait here for a better one, before they move the dot.

They are stored at once, like all fixes: only watchers and the last known location wait. A worker
compares a driver's fixes with those that it received itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.plausibility import Flags, is_jump, judge

# Seconds for which an implausible fix waits.
HOLD: Final = 10.0

# Drivers whose last good fix is remembered, some 300 bytes each. Beyond this the oldest is dropped;
# that driver's next fix counts as good.
MAX_DRIVERS: Final = 16_384


# A fix that arrived so soon after it was measured is live. A backlog moves the dot as it comes.
LIVE: Final = timedelta(seconds=5)

# Live fixes in a row that agree with each other, before one far from them counts as a jump: of two
# fixes alone, either may be the wrong one.
MIN_AGREEING: Final = 3


class Followed:
    """A driver's last good fix, and an implausible newer one with the timer that releases it."""

    __slots__ = ("agreeing", "flags", "good", "suspect", "timer")

    def __init__(self, good: Fix) -> None:
        self.good = good
        # How many live fixes in a row are within reach of each other, by the device's times.
        self.agreeing = 1
        self.suspect: Fix | None = None
        # Those of the suspect.
        self.flags = Flags(0)
        self.timer: asyncio.TimerHandle | None = None


class Gate:
    """Chooses the fix that moves each driver's dot; calls `release` for one that has waited."""

    def __init__(self, release: Callable[[Fix], None]) -> None:
        self._release = release
        self._drivers: dict[DriverId, Followed] = {}

    def choose(self, fixes: Sequence[Fix]) -> Fix:
        """Return the fix to show of one driver's new fixes, given oldest first.

        If the newest is implausible, that is the last good one, with the newest's time of arrival
        as a sign of life.
        """
        newest = fixes[-1]
        followed = self._drivers.get(newest.driver_id)
        if followed is None:
            if newest.is_measured:
                self._follow(newest)
            return newest
        for fix in fixes:
            if fix.is_measured and fix.recorded_at > followed.good.recorded_at:
                self._judge(followed, fix)
        if followed.suspect is not newest:
            return newest
        return msgspec.structs.replace(followed.good, heard_at=newest.received_at)

    def forget(self, driver_id: DriverId) -> None:
        """Drop what waits for a driver."""
        followed = self._drivers.pop(driver_id, None)
        if followed is not None and followed.timer is not None:
            followed.timer.cancel()

    def close(self) -> None:
        """Release all fixes that wait."""
        for followed in self._drivers.values():
            if followed.timer is not None:
                followed.timer.cancel()
                self._let_through(followed)
        self._drivers.clear()

    def _follow(self, fix: Fix) -> None:
        self._drivers[fix.driver_id] = Followed(fix)
        if len(self._drivers) > MAX_DRIVERS:
            oldest = self._drivers.pop(next(iter(self._drivers)))
            if oldest.timer is not None:
                oldest.timer.cancel()
                self._let_through(oldest)

    def _judge(self, followed: Followed, fix: Fix) -> None:
        """Make `fix` the driver's good one, or let it wait."""
        good = followed.good
        # Only a jump, and not a simulated or inaccurate place, says where the car may be now.
        flags = judge(fix, good, followed.suspect if followed.flags == Flags.JUMP else None)
        is_live = fix.has_device_time and fix.received_at - fix.recorded_at <= LIVE
        waits = flags != Flags.JUMP or (is_live and followed.agreeing >= MIN_AGREEING)
        if flags and waits:
            followed.suspect, followed.flags = fix, flags
            if followed.timer is None:
                loop = asyncio.get_running_loop()
                followed.timer = loop.call_later(HOLD, self._let_through, followed)
            return
        if followed.timer is not None:
            followed.timer.cancel()
        jumped = bool(flags) or (followed.suspect is not None and is_jump(good, fix))
        # Times of arrival say little about speed.
        followed.agreeing = 0 if not is_live else 1 if jumped else followed.agreeing + 1
        followed.good, followed.suspect, followed.timer = fix, None, None

    def _let_through(self, followed: Followed) -> None:
        suspect = followed.suspect
        assert suspect is not None  # noqa: S101 - or there would be no timer
        followed.agreeing = 1
        followed.good, followed.suspect, followed.timer = suspect, None, None
        self._release(suspect)
