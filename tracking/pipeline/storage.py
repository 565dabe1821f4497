"""The database: newest fix per driver, written in batches, acknowledged once committed."""

import asyncio
import logging
from collections.abc import Mapping, Set
from typing import Final, Protocol

from django.db import Error

from tracking import metrics
from tracking.engine.batching import Pump
from tracking.engine.database import DatabaseThread
from tracking.fix import Fix
from tracking.pipeline.announcer import Announcer
from tracking.pipeline.rows import (
    PartlyStoredError,
    locked_drivers,
    upsert,
    upsert_and_compare,
)
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# How long a failed batch waits for the database to come back.
RETRY_AFTER: Final = 0.5
# How many seconds a batch waits for rows that somebody else holds, before it goes without them. Two
# workers hold each other's for as long as a commit takes.
LOCK_WAIT: Final = 1.0


class Waiter(Protocol):
    """Who sent a fix and waits to hear what became of it."""

    def acknowledge(self, fix: Fix) -> None:
        """`fix`, or a newer one of the same driver, is committed."""

    def reject(self, fix: Fix) -> None:
        """No fix of this driver can be stored: the account is deleted."""

    def discard(self, fix: Fix) -> None:
        """`fix` cannot be stored, now or later; others of the same driver may be."""


class Storage:
    """Stores fixes, newest per driver, in one statement per batch.

    While the database is away it holds the newest fix of each driver and everybody who waits,
    whose number the consumers bound, and tries again until it is back.
    """

    def __init__(self, thread: DatabaseThread, announcer: Announcer) -> None:
        self._thread = thread
        self._announcer = announcer
        self._newest: dict[int, Fix] = {}
        self._waiting: list[tuple[Fix, Waiter]] = []
        # The fixes that fail while those of others are stored, and who waits for them.
        self._aside: dict[int, Fix] = {}
        self._aside_waiting: list[tuple[Fix, Waiter]] = []
        self._aside_tried: list[tuple[Fix, Waiter]] = []
        self._gone: set[Waiter] = set()
        self._pump = Pump(self._flush)
        self._retries = Pump(self._retry)
        self._failing = False

    def store(self, fix: Fix, waiter: Waiter | None) -> None:
        """Store `fix` with the next batch and tell `waiter`; waiters hear in the order of calls."""
        self._keep_newest(fix)
        if self._aside and fix.driver_id in self._aside:
            if waiter is not None:
                self._aside_waiting.append((fix, waiter))
            return
        if waiter is not None:
            self._waiting.append((fix, waiter))
        self._pump.wake()

    def forget(self, waiter: Waiter) -> None:
        """Tell `waiter` nothing more, or whoever reconnects during an outage leaves much behind."""
        self._gone.add(waiter)
        if self._aside:
            for entries in (self._aside_waiting, self._aside_tried):
                entries[:] = [entry for entry in entries if entry[1] is not waiter]

    def __len__(self) -> int:
        """Return how many sends wait to be acknowledged, beside those under way."""
        return len(self._waiting) + len(self._aside_waiting)

    async def drain(self) -> None:
        """Wait until all is stored."""
        await self._pump.drain()
        while self._aside:
            await self._retries.drain()
            await self._pump.drain()

    async def close(self) -> None:
        """Stop, unacknowledged what is not yet stored."""
        await self._retries.close()
        await self._pump.close()

    def _keep_newest(self, fix: Fix) -> None:
        newest = self._newest
        if self._aside and fix.driver_id in self._aside:
            newest = self._aside
        newest[fix.driver_id] = fix.merged_with(newest.get(fix.driver_id))

    async def _flush(self) -> None:
        newest, self._newest = self._newest, {}
        waiting, self._waiting = self._waiting, []
        failed = await self._try(newest, waiting)
        if not failed:
            self._gone.clear()
            return
        waiting = self._present([entry for entry in waiting if entry[0].driver_id in failed])
        if len(failed) < len(newest):
            # The others need not wait for them.
            self._aside.update((driver_id, newest[driver_id]) for driver_id in failed)
            # What came meanwhile comes after it.
            for driver_id in failed & self._newest.keys():
                self._keep_newest(self._newest.pop(driver_id))
            later = [entry for entry in self._waiting if entry[0].driver_id in failed]
            self._waiting = [entry for entry in self._waiting if entry[0].driver_id not in failed]
            self._aside_waiting += waiting + later
            self._retries.wake()
            return
        for fix in newest.values():
            self._keep_newest(fix)
        self._waiting = self._present(waiting + self._waiting)
        self._gone.clear()
        await asyncio.sleep(RETRY_AFTER)
        self._pump.wake()

    async def _retry(self) -> None:
        await asyncio.sleep(RETRY_AFTER)
        try:
            locked = await self._thread.run(locked_drivers, list(self._aside))
        except Exception as error:  # the batches fail, too
            self._note_failure(error)
            locked = set(self._aside)
        tried = {pk: fix for pk, fix in self._aside.items() if pk not in locked}
        entries = self._aside_waiting
        self._aside_tried = [entry for entry in entries if entry[0].driver_id in tried]
        self._aside_waiting = [entry for entry in entries if entry[0].driver_id not in tried]
        failed = await self._try(tried, self._aside_tried) if tried else frozenset()
        for driver_id in tried.keys() - failed:
            fix = self._aside.pop(driver_id)
            if fix is not tried[driver_id]:
                self._keep_newest(fix)
        entries = self._aside_waiting
        self._waiting += [entry for entry in entries if entry[0].driver_id not in self._aside]
        entries = self._aside_tried + entries
        self._aside_waiting = [entry for entry in entries if entry[0].driver_id in self._aside]
        self._aside_tried = []
        if self._newest:
            self._pump.wake()
        if self._aside:
            self._retries.wake()

    def _present(self, waiting: list[tuple[Fix, Waiter]]) -> list[tuple[Fix, Waiter]]:
        return [entry for entry in waiting if entry[1] not in self._gone]

    async def _try(self, newest: Mapping[int, Fix], waiting: list[tuple[Fix, Waiter]]) -> Set[int]:
        """Store, and answer who waits; return the drivers whose fix may be tried again."""
        rejected: Set[int] = frozenset()
        discarded: Set[int] = frozenset()
        failed: Set[int] = frozenset()
        try:
            rejected = await self._commit(list(newest.values()))
        except PartlyStoredError as error:
            rejected, discarded, failed = error.rejected, error.discarded, error.failed
            if failed:
                self._note_failure(error.__cause__ or error)
        except Exception as error:  # whatever it is, nobody may be left without an answer
            failed = set(newest)
            self._note_failure(error)
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
            except Exception:  # a bug of one waiter's; the others wait, too
                logger.exception("A sender could not be told what became of its location")
        try:
            if len(failed) < len(newest):
                metrics.stored(len(newest) - len(failed), waiting, refused)
        except Exception:  # those who failed must be kept all the same
            logger.exception("Stored locations could not be counted")
        return failed

    def _note_failure(self, error: BaseException) -> None:
        # What is no database error is a bug somewhere, and the place is what helps.
        trace = None if isinstance(error, Error) else error
        logger.error(
            "Locations cannot be stored, will keep trying: %s", reason(error), exc_info=trace
        )
        self._failing = True
        metrics.degraded.begin("storage")

    async def _commit(self, fixes: list[Fix]) -> Set[int]:
        if not self._announcer.wanted:
            return await self._thread.run(upsert, fixes)
        partly: PartlyStoredError | None = None
        try:
            rejected, replaced = await self._thread.run(upsert_and_compare, fixes)
        except PartlyStoredError as error:
            partly, rejected, replaced = error, error.unstored, error.replaced
        try:
            stored = [fix for fix in fixes if fix.driver_id not in rejected]
            self._announcer.stored(stored, replaced)
        except Exception:  # they are stored all the same
            logger.exception("Stored locations could not be announced")
        if partly is not None:
            raise partly
        return rejected
