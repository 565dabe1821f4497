"""What time makes of drivers that send nothing: live becomes stale, and stale offline."""

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

SCAN_INTERVAL: Final = 0.5

# A fix that arrived in time may be committed a little later, by another worker.
COMMIT_TIME: Final = timedelta(seconds=0.25)


class Followed:
    """A driver: the stored fix, the status that was announced, and when to look again."""

    __slots__ = ("due", "fix", "status")

    def __init__(self, fix: Fix, status: Status) -> None:
        self.fix = fix
        self.status = status
        self.due: datetime | None = None


class Aging:
    """Tells `on_change(driver_id, previous, status)` of the drivers that this worker stored last.

    It looks only at drivers whose time has come, and into the database before it speaks: if another
    worker has heard of the driver since, the driver is that worker's. `load_snapshots` maps driver
    ids to their stored fixes.
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
        # One look ahead per driver, not one per fix: it finds out whether it came too early.
        self._looks: list[tuple[datetime, DriverId]] = []
        self._task: asyncio.Task[None] | None = None

    def follow(self, fix: Fix, status: Status) -> None:
        """Take over a driver, whose fix this worker has stored and whose status was announced."""
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
        """Return what was announced last of the driver of `stored`, if it is from this worker."""
        followed = self._followed.get(stored.driver_id)
        if followed is None or followed.fix.heard != stored.heard:
            return None
        return followed.status

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _scan_forever(self) -> None:
        try:
            while self._followed:
                await asyncio.sleep(SCAN_INTERVAL)
                try:
                    await self._scan()
                except Exception as error:  # the database is away, the next round tries
                    logger.warning("Silent drivers could not be looked up: %s", reason(error))
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
                self._look_at(followed, now)
            raise
        for fix, followed in due:
            if self._followed.get(fix.driver_id) is not followed or followed.fix is not fix:
                continue  # A newer one was stored here meanwhile.
            row = stored.get(fix.driver_id)
            if row is None or row.heard != fix.heard or row.disconnected_at:
                del self._followed[fix.driver_id]
                continue
            before, status = followed.status, status_of(fix, now)
            self.follow(fix, status)
            self._on_change(fix.driver_id, before, status)

    def _take_due(self, now: datetime) -> list[Followed]:
        """Return the drivers whose status is no longer what was announced."""
        due = []
        while self._looks and self._looks[0][0] <= now:
            at, driver_id = heappop(self._looks)
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
        self._look_at(followed, now + timedelta(seconds=delay or 0.0))

    def _look_at(self, followed: Followed, at: datetime) -> None:
        followed.due = at
        heappush(self._looks, (at, followed.fix.driver_id))
