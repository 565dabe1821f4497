"""The database: newest fix per driver, written in batches, acknowledged once committed."""

import asyncio
import logging
from collections.abc import Mapping, Set
from functools import cache
from typing import Final, Protocol

import msgspec
from django.db import DataError, Error, IntegrityError, connections, router, transaction
from django.db.models import QuerySet

from tracking.fix import Fix
from tracking.models import DriverLocation
from tracking.monitoring import metrics
from tracking.monitoring.throttled_log import Throttle
from tracking.pipeline.announcer import Announcer
from tracking.pipeline.batching import Pump
from tracking.pipeline.database import DatabaseThread, any_of, is_unavailable, sqlstate, supported

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# How long a failed batch waits for the database to come back.
RETRY_AFTER: Final = 0.5
# Once so many single fixes of a batch failed, no more are singled out: whatever it is, it concerns
# most of them, and each costs a statement.
MAX_SINGLED_OUT: Final = 16

_COLUMNS: Final = Fix.__struct_fields__

# A batch travels as one JSON parameter. Measured on PostgreSQL 15 with 500 rows, client and
# server microseconds a row: this 1.4 + 7, unnest of eight arrays 12 + 8, VALUES 29 + 19.
_ROWS: Final = {
    "postgresql": (
        "SELECT {columns} FROM json_to_recordset(%s) AS fix ("
        "driver_id bigint, latitude float8, longitude float8, recorded_at timestamptz,"
        " received_at timestamptz, accuracy float8, heading float8, speed float8,"
        " disconnected_at timestamptz, heard_at timestamptz, clock_offset float8)"
    ),
    # WHERE true, or its parser takes ON CONFLICT for a join's ON.
    "sqlite": "SELECT {values} FROM json_each(%s) WHERE true",
}

# SQLite keeps a time as Django writes it: a space for the T, and no Z.
_SQLITE_TIME: Final = "rtrim(replace(json_extract(value, '$.{0}'), 'T', ' '), 'Z')"
_SQLITE_VALUES: Final = ", ".join(
    (_SQLITE_TIME if column.endswith("_at") else "json_extract(value, '$.{0}')").format(column)
    for column in _COLUMNS
)

# `Fix.merged_with`, said to the database: the newer place, the later word, and a departure until
# the next word.
_NEWER: Final = (
    "(EXCLUDED.recorded_at, EXCLUDED.received_at) > ({table}.recorded_at, {table}.received_at)"
)
_HEARD: Final = (
    "{greatest}(COALESCE(EXCLUDED.heard_at, EXCLUDED.received_at),"
    " COALESCE({table}.heard_at, {table}.received_at))"
)
_LEFT: Final = (
    "COALESCE({greatest}(EXCLUDED.disconnected_at, {table}.disconnected_at),"
    " EXCLUDED.disconnected_at, {table}.disconnected_at)"
)
_ASSIGNMENTS: Final = {
    "disconnected_at": f"CASE WHEN {_LEFT} >= {_HEARD} THEN {_LEFT} END",
    "heard_at": (
        f"NULLIF({_HEARD},"
        f" CASE WHEN {_NEWER} THEN EXCLUDED.received_at ELSE {{table}}.received_at END)"
    ),
}
_ASSIGNMENT: Final = f"CASE WHEN {_NEWER} THEN EXCLUDED.{{column}} ELSE {{table}}.{{column}} END"
_UPSERT: Final = (
    "INSERT INTO {table} ({columns}) {rows}"
    " ON CONFLICT (driver_id) DO UPDATE SET {assignments}"
    # What says nothing new is not written.
    f" WHERE {_NEWER} OR {_HEARD} > COALESCE({{table}}.heard_at, {{table}}.received_at)"
    f" OR EXCLUDED.disconnected_at >= {_HEARD}"
    " AND ({table}.disconnected_at IS NULL"
    " OR EXCLUDED.disconnected_at > {table}.disconnected_at)"
)


class Waiter(Protocol):
    """Who sent a fix and waits to hear what became of it."""

    def acknowledge(self, fix: Fix) -> None:
        """`fix`, or a newer one of the same driver, is committed."""

    def reject(self, fix: Fix) -> None:
        """No fix of this driver can be stored: the account is deleted."""

    def discard(self, fix: Fix) -> None:
        """`fix` cannot be stored, now or later; others of the same driver may be."""


class PartlyStoredError(Exception):
    """Not all of a batch is stored: drivers whose account is deleted, drivers whose fix can never
    be stored, and drivers whose fix failed for a reason that may pass.
    """

    def __init__(self, rejected: set[int], discarded: set[int], failed: set[int]) -> None:
        super().__init__(f"{len(failed)} failed, {len(rejected) + len(discarded)} were refused")
        self.rejected = rejected
        self.discarded = discarded
        self.failed = failed
        # What the database held before, by driver, where it was asked.
        self.replaced: Mapping[int, Fix] = {}

    @property
    def unstored(self) -> set[int]:
        """All drivers whose fix is not stored."""
        return self.rejected | self.discarded | self.failed


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
        tried = self._aside.copy()
        self._aside_tried, self._aside_waiting = self._aside_waiting, []
        failed = await self._try(tried, self._aside_tried)
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
        logger.error("Locations cannot be stored, will keep trying: %s", error, exc_info=trace)
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


def upsert(fixes: list[Fix]) -> set[int]:
    """Commit fixes, one per driver, where newer than what is stored, in one statement.

    Return the drivers whose account is deleted. A fix that fails does not keep the others from
    being stored: then raise `PartlyStoredError`. Raise what the database raised when it is
    unavailable, or when all fail. Repeating is harmless.
    """
    rejected: set[int] = set()
    discarded: set[int] = set()
    failed: set[int] = set()
    singled_out = 0
    cause: Exception | None = None
    parts = [fixes]
    while parts:
        part = parts.pop()
        try:
            # One statement outside a transaction commits by itself, and costs one round trip.
            _execute_upsert(part)
        except Exception as error:
            if is_unavailable(error):
                raise
            driver_ids = {fix.driver_id for fix in part}
            if len(part) > 1 and singled_out < MAX_SINGLED_OUT:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            elif len(part) == 1 and _is_refusal(error, part[0]):
                driver_id = part[0].driver_id
                logger.warning("A location of driver %s was refused: %s", driver_id, type(error))
                (rejected if _is_account_deleted(error) else discarded).add(driver_id)
            else:
                singled_out += 1
                failed |= driver_ids
                cause = error
    if cause is not None and len(failed) == len(fixes):
        raise cause
    if discarded or failed:
        raise PartlyStoredError(rejected, discarded, failed) from cause
    return rejected


def _is_refusal(error: Exception, fix: Fix) -> bool:
    """Tell whether a fix that failed alone will fail whenever it is tried again."""
    if isinstance(error, IntegrityError | DataError):
        return True
    try:
        msgspec.json.encode(fix).decode()
    except MemoryError:
        return False
    except Exception:  # whatever it is, the fix is at fault
        return True
    return False


def _is_account_deleted(error: Exception) -> bool:
    """Tell whether the row that a location belongs to is missing, on either database."""
    return isinstance(error, IntegrityError) and (
        sqlstate(error) == "23503" or "FOREIGN KEY" in str(error)  # as SQLite says it
    )


def upsert_and_compare(fixes: list[Fix]) -> tuple[set[int], Mapping[int, Fix]]:
    """Do as `upsert` does, and return what was stored before as well.

    The rows are locked in between, so that of two workers one sees what the other stored.
    """
    driver_ids = [fix.driver_id for fix in fixes]
    try:
        with transaction.atomic(router.db_for_write(DriverLocation)):
            # In the order of ids, like the upsert.
            rows = DriverLocation.objects.select_for_update().order_by("pk")
            replaced = _snapshots(rows, driver_ids)
            _execute_upsert(fixes)
    except Exception as error:  # Rare: an account was deleted, or one fix fails.
        if is_unavailable(error):
            raise
        replaced = load_snapshots(driver_ids)
        try:
            return upsert(fixes), replaced
        except PartlyStoredError as error:
            error.replaced = replaced
            raise
    return set(), replaced


def _execute_upsert(fixes: list[Fix]) -> None:
    connection = connections[router.db_for_write(DriverLocation)]
    # In the order of ids, or two workers' batches could lock each other's rows crosswise.
    rows = sorted(fixes, key=lambda fix: fix.driver_id)
    with connection.cursor() as cursor:
        cursor.execute(
            _upsert_statement(connection.vendor, DriverLocation._meta.db_table),
            [msgspec.json.encode(rows).decode()],
        )


@cache
def _upsert_statement(vendor: str, table: str) -> str:
    columns = ", ".join(_COLUMNS)
    # SQLite's `max` of several values is PostgreSQL's GREATEST.
    names = {"table": table, "greatest": "GREATEST" if vendor == "postgresql" else "max"}
    assignments = ", ".join(
        f"{column} = {_ASSIGNMENTS.get(column, _ASSIGNMENT).format(column=column, **names)}"
        for column in _COLUMNS[1:]
    )
    rows = _ROWS[supported(vendor)].format(columns=columns, values=_SQLITE_VALUES)
    return _UPSERT.format(columns=columns, rows=rows, assignments=assignments, **names)


def fix_of(location: DriverLocation) -> Fix:
    """Return the fix that a row keeps."""
    return Fix(*(getattr(location, column) for column in _COLUMNS))


def load_snapshots(driver_ids: list[int]) -> Mapping[int, Fix]:
    """Return the stored fixes of those of the drivers who have one."""
    return _snapshots(DriverLocation.objects.all(), driver_ids)


def _snapshots(rows: QuerySet[DriverLocation], driver_ids: list[int]) -> Mapping[int, Fix]:
    stored = rows.filter(pk__in=any_of(driver_ids, DriverLocation))
    return {row[0]: Fix(*row) for row in stored.values_list(*_COLUMNS)}
