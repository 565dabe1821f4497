"""Writing the history: a sink of the storage, in one statement with the last known locations."""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec
from django.db import connections
from django.utils import timezone

from tracking.conf import conf
from tracking.engine.database import supported
from tracking.fix import Fix
from tracking.history.packing import E7
from tracking.history.partitions import (
    create_days,
    day_of,
    history_db,
    is_partition_missing,
)
from tracking.ids import DriverId
from tracking.models import HistoryErasure, HistoryFix, WatchGrant
from tracking.people import USER_IDS
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# More is no speed and no accuracy, and would not fit the packed form: m/s, metres.
MAX_SPEED: Final = 10_000.0
MAX_ACCURACY: Final = 1_000_000.0

_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class Row(msgspec.Struct, gc=False):
    """A row of `HistoryFix`, in the order of its columns."""

    driver_id: DriverId
    recorded_at: datetime
    received_at: datetime
    latitude_e7: int
    longitude_e7: int
    accuracy: float | None
    heading: float | None
    speed: float | None
    battery: int | None
    charging: bool | None
    mock: bool


_COLUMNS: Final = Row.__struct_fields__

_ROWS: Final = {
    "postgresql": (
        "SELECT {columns} FROM json_to_recordset(%s) AS fix ("
        "driver_id {id_type}, recorded_at timestamptz, received_at timestamptz, latitude_e7 int,"
        " longitude_e7 int, accuracy real, heading real, speed real, battery smallint,"
        " charging boolean, mock boolean)"
    ),
    "sqlite": "SELECT {columns} FROM (SELECT {values} FROM json_each(%s)) AS fix",
}
_SQLITE_VALUE: Final = "json_extract(value, '$.{0}')"
_SQLITE_TIME: Final = "rtrim(replace(json_extract(value, '$.{0}'), 'T', ' '), 'Z')"

# An erased part of the history stays erased, whatever a phone or a worker still had.
_NOT_ERASED: Final = (
    "NOT EXISTS (SELECT 1 FROM {erasures} AS erasure"
    " WHERE erasure.driver_id = fix.driver_id AND fix.recorded_at < erasure.before)"
)
_ON_A_TRIP: Final = (
    "EXISTS (SELECT 1 FROM {grants} AS trip WHERE trip.driver_id = fix.driver_id"
    " AND trip.starts_at <= fix.recorded_at"
    " AND fix.recorded_at < COALESCE(trip.ended_at, trip.ends_at))"
)
_INSERT: Final = (
    "INSERT INTO {table} ({columns}) {rows} WHERE {conditions}"
    " ON CONFLICT (driver_id, recorded_at) DO NOTHING"
)


class HistorySink:
    """Keeps accepted fixes as `TRACKING["HISTORY"]` says: a `tracking.pipeline.rows.Sink`.

    The days of which a partition exists are remembered. A day without one, as at the first fix
    after midnight or of a late upload, gets it before the statement runs.
    """

    def __init__(self) -> None:
        self._days: set[date] = set()

    def statement(self, fixes: Sequence[Fix]) -> tuple[str, Sequence[Any]] | None:
        """Return the statement that keeps these fixes, with its parameters; None if none is kept.

        Fixes older than HISTORY_DAYS are not kept, and neither are signs of life and departures,
        which repeat a fix.
        """
        oldest = timezone.now() - timedelta(days=conf.HISTORY_DAYS)
        rows = [row_of(fix) for fix in fixes if fix.recorded_at >= oldest and fix.is_measured]
        if not rows:
            return None
        days = {day_of(row.recorded_at) for row in rows} - self._days
        if days:
            create_days(HistoryFix, days)
            self._days |= days
        vendor = connections[history_db()].vendor
        return _statement(vendor, conf.HISTORY), [msgspec.json.encode(rows).decode()]

    def may_retry(self, error: BaseException) -> bool:
        """Return True if a day's partition was missing, which the next statement creates."""
        if not is_partition_missing(error):
            return False
        self._days.clear()
        return True


def row_of(fix: Fix) -> Row:
    """Return the row of a fix, with the precision that the packed form keeps as well."""
    recorded_at, received_at = fix.recorded_at, fix.received_at
    if recorded_at != received_at:
        # Whole milliseconds, rounded up so that a fix never arrives before it was recorded.
        received_at += -received_at.microsecond % 1000 * _MICROSECOND
    accuracy, heading, speed = fix.accuracy, fix.heading, fix.speed
    return Row(
        fix.driver_id,
        recorded_at,
        received_at,
        round(fix.latitude * E7),
        round(fix.longitude * E7),
        None if accuracy is None else min(max(round(accuracy, 1), 0.1), MAX_ACCURACY),
        None if heading is None else float(round(heading) % 360),
        None if speed is None or speed > MAX_SPEED else round(speed, 1),
        fix.battery,
        fix.charging,
        fix.mock,
    )


@cache
def _statement(vendor: str, history: str) -> str:
    columns = ", ".join(_COLUMNS)
    values = ", ".join(f"{_sqlite_value(column)} AS {column}" for column in _COLUMNS)
    rows = _ROWS[supported(vendor)].format(
        columns=columns, values=values, id_type=USER_IDS.sql_type
    )
    conditions = [_NOT_ERASED.format(erasures=HistoryErasure._meta.db_table)]
    if history == "trips":
        conditions.append(_ON_A_TRIP.format(grants=WatchGrant._meta.db_table))
    return _INSERT.format(
        table=HistoryFix._meta.db_table,
        columns=columns,
        rows=rows,
        conditions=" AND ".join(conditions),
    )


def _sqlite_value(column: str) -> str:
    if column.endswith("_at"):
        return _SQLITE_TIME.format(column)
    value = _SQLITE_VALUE.format(column)
    return USER_IDS.sqlite_value.format(value) if column == "driver_id" else value
