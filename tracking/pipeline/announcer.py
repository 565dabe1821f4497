"""Sends the signals, at nobody's cost but its own thread's, and at none if nobody listens."""

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
    """Gathers what there is to tell while the receivers are at work.

    Of a driver it keeps the newest location, and of several changes of status what they come to:
    so it never holds more than one of each, however slow the receivers are.
    """

    def __init__(
        self,
        clock: ArrivalClock,
        load_snapshots: Callable[[list[DriverId]], Awaitable[Mapping[DriverId, Fix]]],
    ) -> None:
        # Not a `DatabaseThread`: what receivers do may take as long as they like.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tracking-signals")
        self._clock = clock
        self._aging = Aging(clock, load_snapshots, self._change)
        self._locations: dict[DriverId, Fix] = {}
        self._changes: dict[DriverId, Change] = {}
        self._left_out = 0
        self._flusher = Flusher(self._flush)

    @property
    def has_receivers(self) -> bool:
        """Whether anybody listens."""
        return location_updated.has_listeners(DriverLocation) or (
            driver_status_changed.has_listeners(DriverLocation)
        )

    def stored(self, fixes: Iterable[Fix], replaced: Mapping[DriverId, Fix]) -> None:
        """Announce what was committed; `replaced` is what the database held before, by driver."""
        now = self._clock.now()
        # By arrival: an outage of the database may have mixed them.
        for fix in sorted(fixes, key=lambda fix: fix.received_at):
            before = replaced.get(fix.driver_id)
            after = fix.merged_with(before)
            if after is before:
                continue
            previous = None if before is None else self._status_before(before, after)
            status = status_of(after, now)
            self._aging.follow(after, status)
            if fix.disconnected_at is None and after.is_elsewhere(before):
                self._left_out += fix.driver_id in self._locations
                self._locations[fix.driver_id] = after
            if status is not previous:
                self._change(fix.driver_id, previous, status)
        self._flusher.schedule()

    async def drain(self) -> None:
        """Wait until the receivers have been told everything."""
        await self._flusher.drain()

    async def close(self) -> None:
        """Stop, untold what is not yet told."""
        await self._aging.close()
        await self._flusher.close()
        self._executor.shutdown(wait=False)

    def _status_before(self, before: Fix, after: Fix) -> Status:
        # What this worker has not announced, has not happened. Another would have by now.
        at = after.disconnected_at or after.heard
        return self._aging.announced_status(before) or status_of(before, at)

    def _change(self, driver_id: DriverId, previous: Status | None, status: Status) -> None:
        untold = self._changes.pop(driver_id, None)
        if untold is not None:
            previous = untold.previous
            self._left_out += 1
        if status is not previous:
            self._changes[driver_id] = Change(status, previous)
        self._flusher.schedule()

    async def _flush(self) -> None:
        locations, self._locations = self._locations, {}
        changes, self._changes = self._changes, {}
        if self._left_out:
            logger.warning(
                "The receivers of tracking's signals are slow: %d were left out for newer ones",
                self._left_out,
            )
            self._left_out = 0
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, announce, list(locations.values()), changes)


def announce(locations: list[Fix], changes: Mapping[DriverId, Change]) -> None:
    """Send the signals, and raise nothing, so that no receiver keeps others from being told.

    Django logs the errors of receivers, and who raised them.
    """
    # As around each request: receivers may use the database.
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
        # `send_robust` lets pass what is no Exception: a receiver's SystemExit would end the
        # worker, its CancelledError the task that waits for it.
        logger.exception("A signal was not received by all")
