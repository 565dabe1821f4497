"""What time makes of drivers that send nothing: live becomes stale, and stale offline."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from tracking.conf import conf
from tracking.fix import ArrivalClock, Fix
from tracking.monitoring.throttled_log import Throttle
from tracking.status import Status, status_of

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

SCAN_INTERVAL: Final = 0.5

# A fix that arrived in time may be committed a little later, by another worker.
COMMIT_TIME: Final = 0.25


class Aging:
    """Tells `on_change(driver_id, previous, status)` of the drivers that this worker stored last.

    It looks at those only who were silent for longest, and into the database before it speaks: if
    another worker has stored a newer fix, the driver is that worker's. `load_snapshots` maps
    driver ids to their stored fixes.
    """

    def __init__(
        self,
        clock: ArrivalClock,
        load_snapshots: Callable[[list[int]], Awaitable[Mapping[int, Fix]]],
        on_change: Callable[[int, Status, Status], None],
    ) -> None:
        self._clock = clock
        self._load_snapshots = load_snapshots
        self._on_change = on_change
        # What was told of whom, and the stored fix that it was told of, in the order of arrival.
        self._told: dict[Status, dict[int, Fix]] = {Status.LIVE: {}, Status.STALE: {}}
        self._task: asyncio.Task[None] | None = None

    def follow(self, fix: Fix, status: Status) -> None:
        """Take over a driver, whose fix this worker has stored and whose status was told."""
        self._forget(fix.driver_id)
        if status in self._told:
            self._told[status][fix.driver_id] = fix
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._scan_forever())

    def told(self, stored: Fix) -> Status | None:
        """Return what was told last of the driver of `stored`, if it is from this worker."""
        for status, fixes in self._told.items():
            fix = fixes.get(stored.driver_id)
            if fix is not None and fix.received_at == stored.received_at:
                return status
        return None

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _forget(self, driver_id: int) -> None:
        for fixes in self._told.values():
            fixes.pop(driver_id, None)

    async def _scan_forever(self) -> None:
        try:
            while any(self._told.values()):
                await asyncio.sleep(SCAN_INTERVAL)
                try:
                    await self._scan()
                except Exception as error:  # the database is away, the next round tries
                    logger.warning("Silent drivers could not be looked up: %r", error)
        finally:
            self._task = None

    async def _scan(self) -> None:
        now = self._clock.now()
        due = [
            *self._silent(Status.LIVE, now, conf.STALE_AFTER),
            *self._silent(Status.STALE, now, conf.OFFLINE_AFTER),
        ]
        if not due:
            return
        stored = await self._load_snapshots([fix.driver_id for fix in due])
        for fix in due:
            told = self.told(fix)
            if told is None:
                continue  # A newer one was stored here meanwhile.
            row = stored.get(fix.driver_id)
            if row is None or row.received_at != fix.received_at or row.disconnected_at:
                self._forget(fix.driver_id)
                continue
            status = status_of(fix, now)
            self.follow(fix, status)
            self._on_change(fix.driver_id, told, status)

    def _silent(self, told: Status, now: datetime, seconds: float) -> list[Fix]:
        limit = now - timedelta(seconds=seconds + COMMIT_TIME)
        return list(takewhile(lambda fix: fix.received_at <= limit, self._told[told].values()))
