"""The database: newest fix per driver, written in batches, acknowledged once committed."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
from django.db import DataError, Error, IntegrityError, connections, router

from tracking.batching import Pump
from tracking.database import DatabaseThread, any_of
from tracking.fix import Fix
from tracking.models import DriverLocation

logger = logging.getLogger(__name__)

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

    def __init__(self, thread: DatabaseThread) -> None:
        self._thread = thread
        self._newest: dict[int, Fix] = {}
        self._waiting: list[tuple[Fix, Waiter]] = []
        self._pump = Pump(self._flush)
        self._failing = False

    def store(self, fix: Fix, waiter: Waiter) -> None:
        """Store `fix` with the next batch and tell `waiter`; waiters hear in the order of calls."""
        self._keep_newest(fix)
        self._waiting.append((fix, waiter))
        self._pump.wake()

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
            rejected = await self._thread.run(upsert, list(newest.values()))
        except Error as error:  # such as OperationalError, or a standby's InternalError
            if not self._failing:
                logger.error("Locations cannot be stored, will keep trying: %s", error)
            self._failing = True
            for fix in newest.values():
                self._keep_newest(fix)
            self._waiting = waiting + self._waiting
            await asyncio.sleep(RETRY_AFTER)
            self._pump.wake()
            return
        if self._failing:
            logger.info("Locations are stored again")
            self._failing = False
        for fix, waiter in waiting:
            if fix.driver_id in rejected:
                waiter.reject(fix)
            else:
                waiter.acknowledge(fix)


def upsert(fixes: list[Fix]) -> set[int]:
    """Commit fixes, one per driver, where newer than what is stored, in one statement.

    Return the drivers whose fix the database refused for good, such as a driver deleted
    meanwhile; they do not keep the others from being stored. Raise `OperationalError` or
    `InterfaceError` when the database is away; repeating is harmless.
    """
    alias = router.db_for_write(DriverLocation)
    # In the order of ids, or two workers' batches could lock each other's rows crosswise.
    fixes = sorted(fixes, key=lambda fix: fix.driver_id)
    try:
        # One statement outside a transaction commits by itself, and costs one round trip.
        with connections[alias].cursor() as cursor:
            cursor.execute(
                _upsert_statement(connections[alias].vendor),
                [msgspec.json.encode(fixes).decode()],
            )
    except (IntegrityError, DataError) as error:
        if len(fixes) == 1:
            logger.warning(
                "A location of driver %s was refused: %s", fixes[0].driver_id, type(error)
            )
            return {fixes[0].driver_id}
        middle = len(fixes) // 2
        return upsert(fixes[:middle]) | upsert(fixes[middle:])
    return set()


def _upsert_statement(vendor: str) -> str:
    columns = ", ".join(_COLUMNS)
    return _UPSERT.format(
        table=DriverLocation._meta.db_table,
        columns=columns,
        rows=_ROWS[vendor].format(columns=columns, values=_SQLITE_VALUES),
        assignments=", ".join(f"{column} = EXCLUDED.{column}" for column in _COLUMNS[1:]),
    )


def load_snapshots(driver_ids: list[int]) -> Mapping[int, Fix]:
    """Return the stored fixes of those of the drivers who have one."""
    stored = DriverLocation.objects.filter(pk__in=any_of(driver_ids, DriverLocation))
    return {row[0]: Fix(*row) for row in stored.values_list(*_COLUMNS)}
