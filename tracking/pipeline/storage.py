"""The database: newest fix per driver, written in batches, acknowledged once committed."""

import asyncio
import logging
from collections.abc import Mapping
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
from tracking.pipeline.database import DatabaseThread, any_of

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# How long a failed batch waits for the database to come back.
RETRY_AFTER: Final = 0.5

_COLUMNS: Final = Fix.__struct_fields__

# A batch travels as one JSON parameter. Measured on PostgreSQL 15 with 500 rows, client and
# server microseconds a row: this 1.4 + 7, unnest of eight arrays 12 + 8, VALUES 29 + 19.
_ROWS: Final = {
    "postgresql": (
        "SELECT {columns} FROM json_to_recordset(%s) AS fix ("
        "driver_id bigint, latitude float8, longitude float8, recorded_at timestamptz,"
        " received_at timestamptz, accuracy float8, heading float8, speed float8,"
        " disconnected_at timestamptz)"
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

# `Fix.is_newer_than`, told to the database.
_UPSERT: Final = (
    "INSERT INTO {table} ({columns}) {rows}"
    " ON CONFLICT (driver_id) DO UPDATE SET {assignments}"
    " WHERE EXCLUDED.recorded_at > {table}.recorded_at"
    " OR EXCLUDED.recorded_at = {table}.recorded_at AND CASE"
    " WHEN EXCLUDED.latitude <> {table}.latitude OR EXCLUDED.longitude <> {table}.longitude"
    # None of these is ever negative.
    " OR COALESCE(EXCLUDED.accuracy, -1) <> COALESCE({table}.accuracy, -1)"
    " OR COALESCE(EXCLUDED.heading, -1) <> COALESCE({table}.heading, -1)"
    " OR COALESCE(EXCLUDED.speed, -1) <> COALESCE({table}.speed, -1)"
    " OR {table}.disconnected_at IS NOT NULL"
    " THEN EXCLUDED.received_at > {table}.received_at"
    " ELSE EXCLUDED.disconnected_at IS NOT NULL"
    " AND EXCLUDED.received_at >= {table}.received_at END"
)


class Waiter(Protocol):
    """Who sent a fix and waits to hear what became of it."""

    def acknowledge(self, fix: Fix) -> None:
        """`fix`, or a newer one of the same driver, is committed."""

    def reject(self, fix: Fix) -> None:
        """`fix` cannot be stored, now or later."""


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
        self._gone: set[Waiter] = set()
        self._pump = Pump(self._flush)
        self._failing = False

    def store(self, fix: Fix, waiter: Waiter | None) -> None:
        """Store `fix` with the next batch and tell `waiter`; waiters hear in the order of calls."""
        self._keep_newest(fix)
        if waiter is not None:
            self._waiting.append((fix, waiter))
        self._pump.wake()

    def forget(self, waiter: Waiter) -> None:
        """Tell `waiter` nothing more, or whoever reconnects during an outage leaves much behind."""
        self._gone.add(waiter)

    def __len__(self) -> int:
        """Return how many sends wait to be acknowledged, beside those under way."""
        return len(self._waiting)

    async def drain(self) -> None:
        """Wait until all is stored."""
        await self._pump.drain()

    async def close(self) -> None:
        """Stop, unacknowledged what is not yet stored."""
        await self._pump.close()

    def _keep_newest(self, fix: Fix) -> None:
        if fix.is_newer_than(self._newest.get(fix.driver_id)):
            self._newest[fix.driver_id] = fix

    async def _flush(self) -> None:
        newest, self._newest = self._newest, {}
        waiting, self._waiting = self._waiting, []
        try:
            rejected = await self._commit(list(newest.values()))
        except Error as error:  # such as OperationalError, or a standby's InternalError
            logger.error("Locations cannot be stored, will keep trying: %s", error)
            self._failing = True
            metrics.degraded.begin("storage")
            for fix in newest.values():
                self._keep_newest(fix)
            self._waiting = [
                entry for entry in waiting + self._waiting if entry[1] not in self._gone
            ]
            self._gone.clear()
            await asyncio.sleep(RETRY_AFTER)
            self._pump.wake()
            return
        self._gone.clear()
        if self._failing:
            logger.info("Locations are stored again")
            self._failing = False
            metrics.degraded.end("storage")
        metrics.stored(len(newest), waiting, rejected)
        for fix, waiter in waiting:
            if fix.driver_id in rejected:
                waiter.reject(fix)
            else:
                waiter.acknowledge(fix)

    async def _commit(self, fixes: list[Fix]) -> set[int]:
        if not self._announcer.wanted:
            return await self._thread.run(upsert, fixes)
        rejected, replaced = await self._thread.run(upsert_and_compare, fixes)
        self._announcer.stored([fix for fix in fixes if fix.driver_id not in rejected], replaced)
        return rejected


def upsert(fixes: list[Fix]) -> set[int]:
    """Commit fixes, one per driver, where newer than what is stored, in one statement.

    Return the drivers whose fix the database refused for good, such as a driver deleted
    meanwhile; they do not keep the others from being stored. Raise `OperationalError` or
    `InterfaceError` when the database is away; repeating is harmless.
    """
    try:
        # One statement outside a transaction commits by itself, and costs one round trip.
        _execute_upsert(fixes)
    except (IntegrityError, DataError) as error:
        if len(fixes) == 1:
            logger.warning(
                "A location of driver %s was refused: %s", fixes[0].driver_id, type(error)
            )
            return {fixes[0].driver_id}
        middle = len(fixes) // 2
        return upsert(fixes[:middle]) | upsert(fixes[middle:])
    return set()


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
    except (IntegrityError, DataError):  # Rare: an account was deleted.
        replaced = load_snapshots(driver_ids)
        return upsert(fixes), replaced
    return set(), replaced


def _execute_upsert(fixes: list[Fix]) -> None:
    connection = connections[router.db_for_write(DriverLocation)]
    # In the order of ids, or two workers' batches could lock each other's rows crosswise.
    rows = sorted(fixes, key=lambda fix: fix.driver_id)
    with connection.cursor() as cursor:
        cursor.execute(_upsert_statement(connection.vendor), [msgspec.json.encode(rows).decode()])


def _upsert_statement(vendor: str) -> str:
    columns = ", ".join(_COLUMNS)
    return _UPSERT.format(
        table=DriverLocation._meta.db_table,
        columns=columns,
        rows=_ROWS[vendor].format(columns=columns, values=_SQLITE_VALUES),
        assignments=", ".join(f"{column} = EXCLUDED.{column}" for column in _COLUMNS[1:]),
    )


def fix_of(location: DriverLocation) -> Fix:
    """Return the fix that a row keeps."""
    return Fix(*(getattr(location, column) for column in _COLUMNS))


def load_snapshots(driver_ids: list[int]) -> Mapping[int, Fix]:
    """Return the stored fixes of those of the drivers who have one."""
    return _snapshots(DriverLocation.objects.all(), driver_ids)


def _snapshots(rows: QuerySet[DriverLocation], driver_ids: list[int]) -> Mapping[int, Fix]:
    stored = rows.filter(pk__in=any_of(driver_ids, DriverLocation))
    return {row[0]: Fix(*row) for row in stored.values_list(*_COLUMNS)}
