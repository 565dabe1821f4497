"""Packing, dropping and erasing, beside a worker that writes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.db import connections
from django.test.utils import override_settings
from django.utils import timezone

from benchmarks.history.figures import Figures, expect
from benchmarks.history.fleet import Fleet
from benchmarks.history.writing import Writer
from tracking.history import erase
from tracking.history.packer import pack_day
from tracking.history.partitions import (
    DAY,
    create_days,
    day_of,
    drop_day,
    existing_days,
    extra_connection,
    history_db,
)
from tracking.history.retention import expire
from tracking.models import HistoryFix, HistorySegment

MAX_WAIT: Final = 1_000.0  # milliseconds
MAX_ERASURE: Final = 2.0  # seconds
# Drivers that are erased.
ERASED: Final = 8
# Seconds for the writes that had to wait.
CALM_AFTER: Final = 0.2

_SEGMENTS: Final = HistorySegment._meta.db_table
# A segment's times count from its hour, so it can be of another day.
_COPY: Final = f"""
INSERT INTO {_SEGMENTS} (driver_id, hour, first_at, count, data)
SELECT driver_id, hour - %s, first_at - %s, count, data FROM {_SEGMENTS}
WHERE hour >= %s AND hour < %s
"""  # noqa: S608 - our own constants


def measure_calm(figures: Figures, fleet: Fleet, seconds: float) -> None:
    """Add the figures of a writer while nothing else happens."""
    with connections[history_db()].cursor() as cursor, Writer(fleet) as writer:
        before = _written(cursor)
        time.sleep(seconds)
        wal = (_written(cursor) - before) / writer.count
    figures.add(
        "Write-ahead log for each fix, with its last known location", "bytes", [wal], style=".0f"
    )
    figures.add("A batch of fixes with nothing beside it: longest wait", "ms", [writer.longest])


def _written(cursor: Any) -> int:
    cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    (position,) = cursor.fetchone()
    return int(position)


def measure_packing(figures: Figures, fleet: Fleet, day: date) -> None:
    """Pack a day, which also drops its partition, and add the figures."""
    with Writer(fleet) as writer:
        began = time.perf_counter()
        packed = pack_day(day)
        seconds = time.perf_counter() - began
    expect("dropped", "dropped" if packed.is_done else "kept")
    title = "Packing beside 2,000 updates/s, thousand fixes per second"
    figures.add(title, "", [packed.fixes / seconds / 1000])
    title = "Packing a day and dropping its hot rows: longest wait of a batch of fixes"
    figures.add(title, "ms", [writer.longest], MAX_WAIT)


def measure_dropping_hot(figures: Figures, fleet: Fleet, days: Sequence[date]) -> None:
    """Drop hot days one by one, and add the longest waits."""
    waits = []
    for day in days:
        with Writer(fleet) as writer:
            is_dropped = drop_day(HistoryFix, day)
            time.sleep(CALM_AFTER)
        expect("dropped", "dropped" if is_dropped else "kept")
        waits.append(writer.longest)
    title = f"Dropping a hot day of {fleet.fixes_per_day / 1e6:.1f} million fixes: longest wait"
    figures.add(title, "ms", waits, MAX_WAIT)


def copy_packed_day(day: date, copies: int) -> None:
    """Copy a packed day to the days before it."""
    for number in range(1, copies + 1):
        create_days(HistorySegment, [day - number * DAY])
        with connections[history_db()].cursor() as cursor:
            cursor.execute(_COPY, [number * DAY, number * DAY, day, day + DAY])


def measure_dropping(figures: Figures, fleet: Fleet, days: int) -> None:
    """Let the oldest packed days expire one by one, and add the longest waits."""
    waits = []
    for _ in range(days):
        with _oldest_day_expired(), Writer(fleet) as writer:
            expired = expire()
            time.sleep(CALM_AFTER)
        expect(1, len(expired.days))
        waits.append(writer.longest)
    title = "Dropping a packed day: longest wait of a batch of fixes"
    figures.add(title, "ms", waits, MAX_WAIT)
    with extra_connection() as other, _oldest_day_expired():
        with other.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {_SEGMENTS} LIMIT 1")  # noqa: S608
        with Writer(fleet) as writer:
            expired = expire()
        expect(1, len(expired.busy))
    title = "The same while another transaction has read the table, which prevents it"
    figures.add(title, "ms", [writer.longest], MAX_WAIT)


@contextmanager
def _oldest_day_expired() -> Iterator[None]:
    age = day_of(timezone.now()) - existing_days(HistorySegment)[0]
    tracking = settings.TRACKING | {"HISTORY_DAYS": age.days - 1}
    with override_settings(TRACKING=tracking):
        yield


def measure_erasing(figures: Figures, fleet: Fleet, days: int, hot_days: int) -> None:
    """Erase all of some drivers, and add the durations."""
    seconds = []
    for driver_id in fleet.ids[10 : 10 + ERASED]:
        began = time.perf_counter()
        erased = erase(driver_id)
        seconds.append(time.perf_counter() - began)
        # And those that were stored while something else was measured.
        expect(days, erased.fixes // fleet.fixes)
    title = f"Erasing {days} days of one driver, {hot_days} of them hot"
    figures.add(title, "s", seconds, MAX_ERASURE, ".2f")
