"""Writing the history: a sink of the storage, in one message with the last known locations."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from django.db import connections
from django.utils import timezone

from tracking.conf import conf
from tracking.engine.database import supported
from tracking.fix import Fix
from tracking.history.partitions import (
    create_days,
    day_of,
    history_db,
    is_partition_missing,
    start_of,
)
from tracking.models import DriverState, HistoryFix, TripAssignment, WatchGrant
from tracking.pipeline.rows import not_erased

# More is no speed and no accuracy, and would not fit the packed form: m/s, metres.
MAX_SPEED: Final = 10_000.0
MAX_ACCURACY: Final = 1_000_000.0

# The columns of `HistoryFix`, from those of a fix: with the precision that the packed form keeps as
# well. An arrival is kept to the millisecond, and never before the measurement.
_VALUES: Final = {
    "postgresql": {
        "driver_id": "driver_id",
        "recorded_at": "recorded_at",
        "received_at": "GREATEST(date_trunc('milliseconds', received_at), recorded_at)",
        "latitude_e7": "round(latitude * 1e7)::int",
        "longitude_e7": "round(longitude * 1e7)::int",
        "accuracy": (
            "CASE WHEN accuracy IS NOT NULL"
            f" THEN GREATEST(round(LEAST(accuracy, {MAX_ACCURACY}) * 10) / 10, 0.1)::real END"
        ),
        "heading": "(round(heading)::int %% 360)::real",
        "speed": f"CASE WHEN speed <= {MAX_SPEED} THEN (round(speed * 10) / 10)::real END",
        "battery": "battery",
        "charging": "charging",
        "mock": "COALESCE(mock, false)",
    },
    "sqlite": {
        "driver_id": "driver_id",
        "recorded_at": "recorded_at",
        "received_at": "max(substr(received_at, 1, 23), recorded_at)",
        "latitude_e7": "CAST(round(latitude * 1e7) AS INTEGER)",
        "longitude_e7": "CAST(round(longitude * 1e7) AS INTEGER)",
        "accuracy": f"max(round(min(accuracy, {MAX_ACCURACY}), 1), 0.1)",
        "heading": "CAST(round(heading) AS INTEGER) %% 360 + 0.0",
        "speed": f"CASE WHEN speed <= {MAX_SPEED} THEN round(speed, 1) END",
        "battery": "battery",
        "charging": "charging",
        "mock": "COALESCE(mock, 0)",
    },
}

# A driver has one trip at a time, so only the last one that it got before the fix can have it: one
# row of the index is read, however many trips there were. Hosts without trips here have grants: few
# end after the fix. With EXISTS, PostgreSQL may expect to find one soon, and search the table.
_ON_A_TRIP: Final = (
    "((SELECT trip.until IS NULL OR fix.recorded_at < trip.until FROM {assignments} AS trip"
    " WHERE trip.driver_id = fix.driver_id AND trip.since <= fix.recorded_at"
    " ORDER BY trip.since DESC LIMIT 1)"
    " OR (SELECT TRUE FROM {grants} AS trip WHERE trip.driver_id = fix.driver_id"
    " AND trip.starts_at <= fix.recorded_at AND fix.recorded_at < trip.ends_at"
    # A grant that has expired is ended later.
    " AND (trip.ended_at IS NULL OR fix.recorded_at < trip.ended_at)"
    " ORDER BY trip.ends_at LIMIT 1))"
)
# A worker refuses these before, unless it does not know yet that the driver is off duty.
_NOT_OFF_DUTY: Final = (
    "NOT EXISTS (SELECT 1 FROM {states} AS duty WHERE duty.driver_id = fix.driver_id"
    " AND duty.off_duty_from <= fix.recorded_at"
    " AND (duty.off_duty_until IS NULL OR fix.recorded_at < duty.off_duty_until))"
)
# The offset at the end of a time in UTC.
_UTC: Final = {"postgresql": "+00", "sqlite": ""}

# Signs of life and departures repeat a fix.
_MEASURED: Final = "fix.heard_at IS NULL AND fix.disconnected_at IS NULL"
_INSERT: Final = (
    "INSERT INTO {table} ({columns}) SELECT {values} FROM fix WHERE {conditions}"
    " ON CONFLICT (driver_id, recorded_at) DO NOTHING"
)


class HistorySink:
    """Keeps accepted fixes as `TRACKING["HISTORY"]` says: a `tracking.pipeline.rows.Sink`.

    The days of which a partition exists are remembered. A day without one, as at the first fix
    after midnight or of a late upload, gets it before the statement runs.
    """

    def __init__(self) -> None:
        self._days: set[date] = set()

    def insert(self, fixes: Sequence[Fix]) -> str | None:
        """Return the INSERT that keeps these fixes; None if none is kept.

        Fixes of days that are older than HISTORY_DAYS are not kept.
        """
        oldest = day_of(timezone.now() - timedelta(days=conf.HISTORY_DAYS))
        days = {day_of(fix.recorded_at) for fix in fixes if fix.is_measured}
        days = {day for day in days if day >= oldest}
        if not days:
            return None
        if missing := days - self._days:
            create_days(HistoryFix, missing)
            self._days |= missing
        return _insert(connections[history_db()].vendor, conf.HISTORY, oldest)

    def may_retry(self, error: BaseException) -> bool:
        """Return True if a day's partition was missing, which the next statement creates."""
        if not is_partition_missing(error):
            return False
        self._days.clear()
        return True


@lru_cache(maxsize=8)
def _insert(vendor: str, history: str, oldest: date) -> str:
    values = _VALUES[supported(vendor)]
    conditions = [
        _MEASURED,
        f"fix.recorded_at >= '{start_of(oldest):%Y-%m-%d %H:%M:%S}{_UTC[vendor]}'",
        not_erased(),
        _NOT_OFF_DUTY.format(states=DriverState._meta.db_table),
    ]
    if history == "trips":
        tables = {
            "assignments": TripAssignment._meta.db_table,
            "grants": WatchGrant._meta.db_table,
        }
        conditions.append(_ON_A_TRIP.format(**tables))
    return _INSERT.format(
        table=HistoryFix._meta.db_table,
        columns=", ".join(values),
        values=", ".join(values.values()),
        conditions=" AND ".join(conditions),
    )
