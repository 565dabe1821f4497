"""The database: fixes written in batches, acknowledged once committed.

Each driver's newest fix becomes its last known location. Other tables that store fixes are `Sink`s,
written in the same transaction: a fix is in all tables or in none. So is what a fix causes: its
effects.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any, Final, Protocol

from django.db import Error

from tracking import metrics
from tracking.engine.batching import Flusher
from tracking.engine.database import DatabaseThread
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.pipeline.announcer import Announcer
from tracking.pipeline.rows import (
    Effects,
    PartlyStoredError,
    Sink,
    StoreEffects,
    locked_drivers,
    upsert,
    upsert_and_compare,
)
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds before a failed batch is tried again.
RETRY_AFTER: Final = 0.5
# Limits of the fixes that wait for the sinks, in a process and per driver: some 350 bytes each.
# Beyond them drivers' sockets are not read, and reports over HTTP are refused, so that phones keep
# what is not acknowledged. The second allows a backlog of 25 full batches.
MAX_BUFFERED: Final = 100_000
MAX_BUFFERED_PER_DRIVER: Final = 2_500
# Seconds that a batch waits for rows that another transaction has locked, before it is stored
# without them. Two workers lock each other's rows for as long as a commit takes.
LOCK_WAIT: Final = 1.0


class Waiter(Protocol):
    """The sender of a fix, which is notified of the outcome."""

    def acknowledge(self, fix: Fix) -> None:
        """Receive the notice that `fix` is committed; without sinks, it or a newer one."""

    def reject(self, fix: Fix) -> None:
        """Receive the notice that no fix of this driver can be stored: the account is deleted."""

    def discard(self, fix: Fix) -> None:
        """Receive the notice that `fix` can never be stored; others, sent later, may be."""


class Storage:
    """Stores fixes in batches: the newest of each driver, and all of them for the `sinks`.

    While the database is unavailable it holds the newest fix of each driver, all fixes for the
    sinks and all waiters, and retries until the database is back. It accepts everything:
    senders wait while `is_full`, and the consumers bound the number of waiters.
    """

    def __init__(
        self,
        thread: DatabaseThread,
        announcer: Announcer,
        sinks: Sequence[Sink] = (),
        store_effects: StoreEffects | None = None,
    ) -> None:
        """Store fixes with `thread`, and their effects, in the same transaction, by calling
        `store_effects`.
        """
        self._store_effects = store_effects
        # The effects of fixes that are not stored yet.
        self._effects: dict[DriverId, list[Any]] = {}
        self._thread = thread
        self._announcer = announcer
        self._sinks = sinks
        self._newest: dict[DriverId, Fix] = {}
        # All fixes of drivers in `_newest` and `_aside`, if there are sinks.
        self._every: dict[DriverId, list[Fix]] = {}
        # The number of fixes for the sinks, with those of the current batch.
        self._buffered = 0
        self._room = asyncio.Event()
        self._waiting: list[tuple[Fix, Waiter]] = []
        # The fixes that fail while those of other drivers are stored, and their waiters.
        self._aside: dict[DriverId, Fix] = {}
        self._aside_waiting: list[tuple[Fix, Waiter]] = []
        self._aside_tried: list[tuple[Fix, Waiter]] = []
        self._forgotten: set[Waiter] = set()
        self._flusher = Flusher(self._flush)
        self._retries = Flusher(self._retry)
        self._failing = False

    def store(
        self,
        fixes: Sequence[Fix],
        waiter: Waiter | None,
        shown: Fix | None = None,
        effects: Sequence[Any] = (),
    ) -> None:
        """Store one driver's `fixes`, oldest first, and their effects, with the next batch.

        `waiter` is notified once all are committed, with the last of them as the argument. Waiters
        are notified in the order of the calls. The newest fix becomes the last known location; with
        `shown`, that one does instead.
        """
        last = fixes[-1]
        for fix in fixes if shown is None else (shown,):
            self._keep_newest(fix)
        if self._sinks:
            self._every.setdefault(last.driver_id, []).extend(fixes)
            self._buffered += len(fixes)
        if effects:
            self._effects.setdefault(last.driver_id, []).extend(effects)
        self._wait(last, waiter)

    def is_full(self, driver_id: DriverId) -> bool:
        """Return True if so many fixes wait for the sinks that this driver should not send more."""
        return self._buffered >= MAX_BUFFERED or (
            len(self._every.get(driver_id, ())) >= MAX_BUFFERED_PER_DRIVER
        )

    async def wait_for_commit(self, seconds: float) -> None:
        """Return once a batch is committed, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._room.wait()

    def notify(self, fix: Fix, waiter: Waiter) -> None:
        """Notify `waiter` once `fix`, which was given to `store` before, is committed."""
        self._keep_newest(fix)
        self._wait(fix, waiter)

    def _wait(self, fix: Fix, waiter: Waiter | None) -> None:
        if self._aside and fix.driver_id in self._aside:
            if waiter is not None:
                self._aside_waiting.append((fix, waiter))
            return
        if waiter is not None:
            self._waiting.append((fix, waiter))
        self._flusher.schedule()

    def forget(self, waiter: Waiter) -> None:
        """Stop notifying `waiter`; else each reconnect during an outage would leave one behind."""
        self._forgotten.add(waiter)
        if self._aside:
            for entries in (self._aside_waiting, self._aside_tried):
                entries[:] = [entry for entry in entries if entry[1] is not waiter]

    def __len__(self) -> int:
        """Return how many sends wait to be acknowledged, without those in the current batch."""
        return len(self._waiting) + len(self._aside_waiting)

    async def drain(self) -> None:
        """Wait until all fixes are stored."""
        await self._flusher.drain()
        while self._aside:
            await self._retries.drain()
            await self._flusher.drain()

    async def close(self) -> None:
        """Stop, and drop fixes that are not yet stored without acknowledging them."""
        await self._retries.close()
        await self._flusher.close()

    def _keep_newest(self, fix: Fix) -> None:
        newest = self._newest
        if self._aside and fix.driver_id in self._aside:
            newest = self._aside
        newest[fix.driver_id] = fix.merged_with(newest.get(fix.driver_id))

    async def _flush(self) -> None:
        newest, self._newest = self._newest, {}
        waiting, self._waiting = self._waiting, []
        every = self._take_every(newest)
        failed = await self._try(newest, every, waiting)
        self._keep_every(every, failed)
        if not failed:
            self._forgotten.clear()
            return
        waiting = self._present([entry for entry in waiting if entry[0].driver_id in failed])
        if len(failed) < len(newest):
            # Other drivers need not wait for these.
            self._aside.update((driver_id, newest[driver_id]) for driver_id in failed)
            # Fixes that arrived meanwhile follow them.
            for driver_id in failed & self._newest.keys():
                self._keep_newest(self._newest.pop(driver_id))
            later = [entry for entry in self._waiting if entry[0].driver_id in failed]
            self._waiting = [entry for entry in self._waiting if entry[0].driver_id not in failed]
            self._aside_waiting += waiting + later
            self._retries.schedule()
            return
        for fix in newest.values():
            self._keep_newest(fix)
        self._waiting = self._present(waiting + self._waiting)
        self._forgotten.clear()
        await asyncio.sleep(RETRY_AFTER)
        self._flusher.schedule()

    async def _retry(self) -> None:
        await asyncio.sleep(RETRY_AFTER)
        try:
            locked = await self._thread.run(locked_drivers, list(self._aside))
        except Exception as error:  # the batches fail as well
            self._note_failure(error)
            locked = set(self._aside)
        tried = {pk: fix for pk, fix in self._aside.items() if pk not in locked}
        entries = self._aside_waiting
        self._aside_tried = [entry for entry in entries if entry[0].driver_id in tried]
        self._aside_waiting = [entry for entry in entries if entry[0].driver_id not in tried]
        every = self._take_every(tried)
        failed = await self._try(tried, every, self._aside_tried) if tried else frozenset()
        self._keep_every(every, failed)
        for driver_id in tried.keys() - failed:
            fix = self._aside.pop(driver_id)
            if fix is not tried[driver_id]:
                self._keep_newest(fix)
        entries = self._aside_waiting
        for entry in entries:  # They came while the drivers' fixes were being stored.
            if entry[0].driver_id not in self._aside:
                self._keep_newest(entry[0])
                self._waiting.append(entry)
        entries = self._aside_tried + entries
        self._aside_waiting = [entry for entry in entries if entry[0].driver_id in self._aside]
        self._aside_tried = []
        if self._newest:
            self._flusher.schedule()
        if self._aside:
            self._retries.schedule()

    def _present(self, waiting: list[tuple[Fix, Waiter]]) -> list[tuple[Fix, Waiter]]:
        return [entry for entry in waiting if entry[1] not in self._forgotten]

    def _take_every(self, newest: Mapping[DriverId, Fix]) -> dict[DriverId, list[Fix]]:
        """Return all fixes of these drivers for the sinks; empty without sinks."""
        if not self._sinks:
            return {}
        return {driver_id: self._every.pop(driver_id, []) for driver_id in newest}

    def _keep_every(self, every: Mapping[DriverId, list[Fix]], failed: Set[DriverId]) -> None:
        """Keep the fixes of the drivers that failed, ahead of those that arrived meanwhile."""
        if not self._sinks:
            return
        for driver_id in failed:
            self._every[driver_id] = every[driver_id] + self._every.get(driver_id, [])

    async def _try(
        self,
        newest: Mapping[DriverId, Fix],
        every: Mapping[DriverId, list[Fix]],
        waiting: list[tuple[Fix, Waiter]],
    ) -> Set[DriverId]:
        """Store, and notify the waiters; return the drivers whose fixes are to be retried."""
        rejected: Set[DriverId] = frozenset()
        discarded: Set[DriverId] = frozenset()
        failed: Set[DriverId] = frozenset()
        effects = self._take_effects(newest)
        try:
            rejected = await self._commit(list(newest.values()), every, effects)
        except PartlyStoredError as error:
            rejected, discarded, failed = error.rejected, error.discarded, error.failed
            if failed:
                self._note_failure(error.__cause__ or error)
        except Exception as error:  # of any kind: every waiter must be notified in the end
            failed = set(newest)
            self._note_failure(error)
        # Those of a fix that can never be stored come with the driver's next one.
        for driver_id in (failed | discarded) & effects.keys():
            self._effects[driver_id] = [*effects[driver_id], *self._effects.get(driver_id, ())]
        if failed:
            waiting = [entry for entry in waiting if entry[0].driver_id not in failed]
        elif self._failing and self._aside.keys() <= newest.keys():
            logger.info("Locations are stored again")
            self._failing = False
            metrics.degraded.end("storage")
        refused = rejected | discarded
        for fix, waiter in waiting:
            try:
                if fix.driver_id not in refused:
                    waiter.acknowledge(fix)
                elif fix.driver_id in rejected:
                    waiter.reject(fix)
                else:
                    waiter.discard(fix)
            except Exception:  # a bug in one waiter must not affect the others
                logger.exception("A sender could not be notified of the outcome of its location")
        self._buffered -= sum(
            len(fixes) for driver_id, fixes in every.items() if driver_id not in failed
        )
        self._room.set()
        self._room.clear()
        try:
            if len(failed) < len(newest):
                metrics.stored(len(newest) - len(failed), waiting, refused)
        except Exception:  # failed fixes must be kept nevertheless
            logger.exception("Stored locations could not be counted")
        return failed

    def _take_effects(self, drivers: Iterable[DriverId]) -> dict[DriverId, list[Any]]:
        """Return the effects of these drivers' fixes; nearly always there are none."""
        if not self._effects:
            return {}
        return {pk: self._effects.pop(pk) for pk in drivers if pk in self._effects}

    def _note_failure(self, error: BaseException) -> None:
        # Anything but a database error is a bug, so the traceback is needed.
        trace = None if isinstance(error, Error) else error
        logger.error("Locations cannot be stored, retrying: %s", reason(error), exc_info=trace)
        self._failing = True
        metrics.degraded.begin("storage")

    async def _commit(
        self,
        fixes: list[Fix],
        every: Mapping[DriverId, list[Fix]],
        effects: Mapping[DriverId, Sequence[Any]],
    ) -> Set[DriverId]:
        extra: tuple[Any, ...] = (self._sinks, every) if self._sinks else ()
        if effects and self._store_effects is not None:
            extra = (self._sinks, every if self._sinks else None)
            extra += (Effects(effects, self._store_effects),)
        if not self._announcer.has_receivers:
            return await self._thread.run(upsert, fixes, *extra)
        partly: PartlyStoredError | None = None
        try:
            rejected, replaced = await self._thread.run(upsert_and_compare, fixes, *extra)
        except PartlyStoredError as error:
            partly, rejected, replaced = error, error.unstored, error.replaced
        try:
            stored = [fix for fix in fixes if fix.driver_id not in rejected]
            self._announcer.stored(stored, replaced)
        except Exception:  # they are stored nevertheless
            logger.exception("Stored locations could not be announced")
        if partly is not None:
            raise partly
        return rejected
