"""The sender of Django signals: a thread of its own, and no cost without receivers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from django.db import close_old_connections

from tracking.engine.batching import Flusher
from tracking.fix import ArrivalClock, Fix
from tracking.ids import DriverId
from tracking.models import DriverLocation
from tracking.pipeline.aging import Aging
from tracking.signals import driver_status_changed, location_updated
from tracking.status import Status, status_of
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())


class Change(NamedTuple):
    """A driver's new status, and the one before."""

    status: Status
    previous: Status | None


class Announcer:
    """Sends `location_updated` and `driver_status_changed` for what was committed.

    What is committed while receivers are running waits for the next round. For each driver only
    the newest location waits, and several changes of status are combined into one, so that slow
    receivers never make it hold more than one of each per driver.
    """

    def __init__(
        self,
        clock: ArrivalClock,
        load_snapshots: Callable[[list[DriverId]], Awaitable[Mapping[DriverId, Fix]]],
    ) -> None:
        # Not a `DatabaseThread`: receivers may run for any length of time.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tracking-signals")
        self._clock = clock
        self._aging = Aging(clock, load_snapshots, self._change)
        self._locations: dict[DriverId, Fix] = {}
        self._changes: dict[DriverId, Change] = {}
        self._replaced = 0
        self._flusher = Flusher(self._flush)

    @property
    def has_receivers(self) -> bool:
        """True if either signal has receivers."""
        return location_updated.has_listeners(DriverLocation) or (
            driver_status_changed.has_listeners(DriverLocation)
        )

    def stored(self, fixes: Iterable[Fix], replaced: Mapping[DriverId, Fix]) -> None:
        """Announce committed fixes; `replaced` holds the rows they replaced, by driver."""
        now = self._clock.now()
        # In the order of arrival, which an outage of the database may have changed.
        for fix in sorted(fixes, key=lambda fix: fix.received_at):
            before = replaced.get(fix.driver_id)
            after = fix.merged_with(before)
            if after is before:
                continue
            previous = None if before is None else self._status_before(before, after)
            status = status_of(after, now)
            self._aging.follow(after, status)
            if fix.disconnected_at is None and after.is_elsewhere(before):
                self._replaced += fix.driver_id in self._locations
                self._locations[fix.driver_id] = after
            if status is not previous:
                self._change(fix.driver_id, previous, status)
        self._flusher.schedule()

    async def drain(self) -> None:
        """Wait until all signals are sent."""
        await self._flusher.drain()

    async def close(self) -> None:
        """Stop, and drop signals that are not yet sent."""
        await self._aging.close()
        await self._flusher.close()
        self._executor.shutdown(wait=False)

    def _status_before(self, before: Fix, after: Fix) -> Status:
        # A change that this worker did not announce is announced from now on: if another worker
        # were responsible for the driver, it would have announced the change by now.
        at = after.disconnected_at or after.heard
        return self._aging.announced_status(before) or status_of(before, at)

    def _change(self, driver_id: DriverId, previous: Status | None, status: Status) -> None:
        unsent = self._changes.pop(driver_id, None)
        if unsent is not None:
            previous = unsent.previous
            self._replaced += 1
        if status is not previous:
            self._changes[driver_id] = Change(status, previous)
        self._flusher.schedule()

    async def _flush(self) -> None:
        locations, self._locations = self._locations, {}
        changes, self._changes = self._changes, {}
        if self._replaced:
            logger.warning(
                "Receivers of tracking's signals are slow: %d signals were replaced by newer ones",
                self._replaced,
            )
            self._replaced = 0
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, announce, list(locations.values()), changes)


def announce(locations: list[Fix], changes: Mapping[DriverId, Change]) -> None:
    """Send the signals; raise nothing, so that no receiver prevents others from being called.

    Django logs the errors of receivers together with their names.
    """
    # As Django does around each request, because receivers may use the database.
    _guard(close_old_connections)
    if locations:
        _guard(location_updated.send_robust, DriverLocation, fixes=locations)
    for driver_id, change in changes.items():
        _guard(
            driver_status_changed.send_robust,
            DriverLocation,
            driver_id=driver_id,
            status=change.status,
            previous=change.previous,
        )
    _guard(close_old_connections)


def _guard(function: Callable[..., object], *args: object, **kwargs: object) -> None:
    try:
        function(*args, **kwargs)
    except BaseException:
        # `send_robust` catches subclasses of Exception only: a receiver's SystemExit would end the
        # worker, its CancelledError the task that waits for it.
        logger.exception("A signal did not reach all its receivers")
