"""Status changes of drivers that send nothing: live becomes stale, and stale offline."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from tracking.fix import ArrivalClock, Fix
from tracking.ids import DriverId
from tracking.status import Status, next_change, status_of
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds between two checks for drivers whose status is due to change.
SCAN_INTERVAL: Final = 0.5

# A fix that arrived in time may be committed a little later, by another worker.
COMMIT_TIME: Final = timedelta(seconds=0.25)


class Followed:
    """A driver: the stored fix, the announced status, and when the status is checked next."""

    __slots__ = ("due", "fix", "status")

    def __init__(self, fix: Fix, status: Status) -> None:
        self.fix = fix
        self.status = status
        self.due: datetime | None = None


class Aging:
    """Calls `on_change(driver_id, previous, status)` when the status of a driver changes with time.

    Each worker does so for the drivers whose newest fix it stored. It checks only drivers whose
    change is due, and reads their rows before it calls `on_change`: if another worker has stored a
    fix of the driver since, that worker announces the driver's changes. `load_snapshots` maps
    driver ids to their stored fixes.
    """

    def __init__(
        self,
        clock: ArrivalClock,
        load_snapshots: Callable[[list[DriverId]], Awaitable[Mapping[DriverId, Fix]]],
        on_change: Callable[[DriverId, Status, Status], None],
    ) -> None:
        self._clock = clock
        self._load_snapshots = load_snapshots
        self._on_change = on_change
        self._followed: dict[DriverId, Followed] = {}
        # One scheduled check per driver, not one per fix: a check that runs too early is
        # scheduled again.
        self._checks: list[tuple[datetime, DriverId]] = []
        self._task: asyncio.Task[None] | None = None

    def follow(self, fix: Fix, status: Status) -> None:
        """Announce a driver's later changes; this worker stored `fix` and announced `status`."""
        if status is Status.OFFLINE:
            self._followed.pop(fix.driver_id, None)
            return
        followed = self._followed.get(fix.driver_id)
        if followed is None:
            followed = self._followed[fix.driver_id] = Followed(fix, status)
        followed.fix, followed.status = fix, status
        if followed.due is None:
            self._schedule(followed, self._clock.now())
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._scan_forever())

    def announced_status(self, stored: Fix) -> Status | None:
        """Return the status that this worker announced last for `stored`; None if it did not."""
        followed = self._followed.get(stored.driver_id)
        if followed is None or followed.fix.heard != stored.heard:
            return None
        return followed.status

    async def close(self) -> None:
        """Stop announcing changes."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _scan_forever(self) -> None:
        try:
            while self._followed:
                await asyncio.sleep(SCAN_INTERVAL)
                try:
                    await self._scan()
                except Exception as error:  # the database is unavailable; the next round retries
                    logger.warning("Silent drivers could not be checked: %s", reason(error))
        finally:
            self._task = None

    async def _scan(self) -> None:
        now = self._clock.now()
        due = [(followed.fix, followed) for followed in self._take_due(now)]
        if not due:
            return
        try:
            stored = await self._load_snapshots([fix.driver_id for fix, _ in due])
        except BaseException:
            for _, followed in due:
                self._schedule_at(followed, now)
            raise
        for fix, followed in due:
            if self._followed.get(fix.driver_id) is not followed or followed.fix is not fix:
                continue  # This worker stored a newer fix meanwhile.
            row = stored.get(fix.driver_id)
            if row is None or row.heard != fix.heard or row.disconnected_at:
                del self._followed[fix.driver_id]
                continue
            before, status = followed.status, status_of(fix, now)
            self.follow(fix, status)
            self._on_change(fix.driver_id, before, status)

    def _take_due(self, now: datetime) -> list[Followed]:
        """Return the drivers whose status differs from the announced one, and unschedule them."""
        due = []
        while self._checks and self._checks[0][0] <= now:
            at, driver_id = heappop(self._checks)
            followed = self._followed.get(driver_id)
            if followed is None or followed.due != at:
                continue
            followed.due = None
            if status_of(followed.fix, now - COMMIT_TIME) is followed.status:
                self._schedule(followed, now)
            else:
                due.append(followed)
        return due

    def _schedule(self, followed: Followed, now: datetime) -> None:
        delay = next_change(followed.fix, now - COMMIT_TIME)
        self._schedule_at(followed, now + timedelta(seconds=delay or 0.0))

    def _schedule_at(self, followed: Followed, at: datetime) -> None:
        followed.due = at
        heappush(self._checks, (at, followed.fix.driver_id))
