"""Packing: turning the hot rows of whole days into segments, one for each driver's hour.

On PostgreSQL a day is read in the order of time, an hour at a time, and its partition is dropped at
the end. On SQLite the rows of a driver's day are packed and deleted in one transaction. A reader
who reads rows before segments finds each fix at any moment, in one of them or in both.

Fixes of a day that was packed before, which a phone uploaded late, are merged into its segments.
The packed fix wins over a hot one with the same time, as in reading.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max

from tracking.history import late
from tracking.history.fixes import TrackFix
from tracking.history.packing import E7, pack, unpack
from tracking.history.partitions import (
    DAY,
    HOUR,
    create_days,
    drivers_of,
    drop_day,
    existing_days,
    extra_connection,
    history_db,
    is_partitioned,
    partition_name,
    rewriting,
    start_of,
)
from tracking.history.reading import hot_fixes
from tracking.history.rows import Span, delete, hot_rows
from tracking.ids import DriverId
from tracking.models import HistoryErasure, HistoryFix, HistorySegment

# Limits of what is packed in memory and then written in one transaction, for which erasures wait.
# A driver's hour is never divided: at the 5 fixes/s that are accepted it has 18,000. Packing 20,000
# fixes takes 60 ms, before the transaction, unless they are merged with what is stored or are late:
# then it is in the transaction, and takes 220 ms with reading them.
MAX_FIXES: Final = 20_000
MAX_HOURS: Final = 100
# Late fixes whose hours are packed while others wait for a table that will be dropped: 10 ms for
# each with a fix every 5 s.
MAX_LAST: Final = 10
# Rows that are fetched at once.
FETCH: Final = 5_000
# Memory for sorting an hour of some 1,000 drivers; more is sorted on disk.
WORK_MEM: Final = "64MB"


# Times are read as microseconds, for which psycopg takes a fourth of the time.
_HOUR_OF_ROWS: Final = (
    "DECLARE tracking_hour NO SCROLL CURSOR FOR SELECT driver_id,"
    " (extract(epoch FROM recorded_at - '{hour}') * 1000000)::bigint,"
    " (extract(epoch FROM received_at - recorded_at) * 1000000)::bigint,"
    " latitude_e7, longitude_e7, accuracy, heading, speed, battery, charging, mock"
    " FROM {partition} WHERE recorded_at >= '{hour}' AND recorded_at < '{next_hour}'"
    " ORDER BY driver_id, recorded_at"
)

Key: TypeAlias = tuple[DriverId, datetime]


class Packed(NamedTuple):
    """The number of hot fixes that were packed, and True if no hot rows of the day are left."""

    fixes: int
    is_done: bool


class DriverHour(NamedTuple):
    """A driver's fixes of one hour, in order."""

    driver_id: DriverId
    hour: datetime
    fixes: list[TrackFix]

    @property
    def key(self) -> Key:
        return self.driver_id, self.hour


def pack_day(day: date) -> Packed:
    """Pack the hot fixes of a day that is over, and remove the rows. Repeatable.

    On PostgreSQL the rows stay if others use the table for too long. They are removed by the next
    call then.
    """
    return _pack_partition(day) if is_partitioned() else _pack_rows(day)


def _pack_rows(day: date) -> Packed:
    span = Span(start_of(day), start_of(day + DAY))
    packed = 0
    for driver_id in drivers_of(HistoryFix, day):
        with rewriting():
            _write(_read_rows(driver_id, span))
            packed += delete(hot_rows(driver_id, span))
    return Packed(packed, is_done=True)


def _pack_partition(day: date) -> Packed:
    if day not in existing_days(HistoryFix):
        return Packed(0, is_done=True)
    create_days(HistorySegment, [day])
    if not late.start_noting(day):
        return Packed(0, is_done=False)
    packed = 0
    with extra_connection() as connection:
        for number in range(DAY // HOUR):
            for batch in _batches(_read_hour(connection, day, start_of(day) + number * HOUR)):
                _write(batch)
                packed += sum(len(hour.fixes) for hour in batch)
            connection.rollback()
    is_done = drop_day(
        HistoryFix,
        day,
        prepare=lambda: _pack_late(day),
        is_droppable=lambda: _pack_last(day),
    )
    return Packed(packed, is_done)


def _pack_late(day: date) -> None:
    """Pack the fixes that were inserted since packing began."""
    while _pack_noted(day, MAX_HOURS):
        pass


def _pack_last(day: date) -> bool:
    """Pack the few that were inserted since then; return False if there are more.

    Nobody can read or write the table meanwhile.
    """
    _pack_noted(day, MAX_LAST)
    return not late.has_noted(day)


def _pack_noted(day: date, limit: int) -> int:
    """Pack the hours of up to `limit` noted fixes, and return the number of these fixes.

    Those of hours beyond MAX_FIXES stay noted.
    """
    with rewriting():
        noted = late.take_noted(day, limit)
        left = sorted({(driver_id, _hour_of(at)) for driver_id, at in noted}, reverse=True)
        batch: list[DriverHour] = []
        while left and sum(len(hour.fixes) for hour in batch) < MAX_FIXES:
            driver_id, hour = left.pop()
            batch += _read_rows(driver_id, Span(hour, hour + HOUR))
        _write(batch)
        late.put_back(day, [(pk, at) for pk, at in noted if (pk, _hour_of(at)) in left])
    return len(noted)


def _read_hour(connection: BaseDatabaseWrapper, day: date, hour: datetime) -> Iterator[DriverHour]:
    """Yield an hour of all drivers; memory does not grow with their number.

    The cursor is opened in SQL, in a transaction, so that it works behind PgBouncer, too.
    """
    sql = _HOUR_OF_ROWS.format(
        partition=connection.ops.quote_name(partition_name(HistoryFix, day)),
        hour=hour.isoformat(),
        next_hour=(hour + HOUR).isoformat(),
    )
    with connection.cursor() as cursor:
        # The default plans for reading a tenth of the rows.
        cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        cursor.execute(sql)
        for driver_id, rows in groupby(_fetch(cursor), itemgetter(0)):
            yield DriverHour(driver_id, hour, [_fix(hour, *row) for row in rows])


def _fetch(cursor: Any) -> Iterator[tuple[Any, ...]]:
    while True:
        cursor.execute(f"FETCH {FETCH} FROM tracking_hour")
        rows = cursor.fetchall()
        if not rows:
            return
        yield from rows


def _fix(
    hour: datetime,
    driver_id: DriverId,
    time: int,
    delay: int,
    latitude: int,
    longitude: int,
    *rest: Any,
) -> TrackFix:
    recorded_at = hour + timedelta(microseconds=time)
    received_at = recorded_at + timedelta(microseconds=delay) if delay else recorded_at
    return TrackFix(recorded_at, received_at, latitude / E7, longitude / E7, *rest)


def _batches(hours: Iterable[DriverHour]) -> Iterator[list[DriverHour]]:
    """Yield hours in lists; a list may exceed MAX_FIXES by its last hour."""
    batch: list[DriverHour] = []
    size = 0
    for hour in hours:
        batch.append(hour)
        size += len(hour.fixes)
        if size >= MAX_FIXES or len(batch) >= MAX_HOURS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_rows(driver_id: DriverId, span: Span) -> list[DriverHour]:
    """Return a driver's hot fixes by hour."""
    fixes = hot_fixes(hot_rows(driver_id, span))
    by_hour = groupby(fixes, lambda fix: _hour_of(fix.recorded_at))
    return [DriverHour(driver_id, hour, list(group)) for hour, group in by_hour]


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _write(batch: list[DriverHour]) -> None:
    """Merge hours into the stored segments, except what was erased since they were read."""
    # Packed before others have to wait for the transaction. Nearly all stay as they are.
    segments: dict[Key, HistorySegment | None] = {hour.key: _segment(hour) for hour in batch}
    with rewriting():
        erased_before = _erasures(batch)
        stored = _stored(batch)
        for hour in batch:
            erased = erased_before.get(hour.driver_id)
            if erased is not None and hour.fixes[0].recorded_at < erased:
                # What is here no longer was deleted. What is still here is held, or is deleted
                # next, packed or not.
                found = _read_rows(hour.driver_id, Span(hour.hour, hour.hour + HOUR))
                segments[hour.key] = _merged(found[0], stored) if found else None
            elif hour.key in stored:
                segments[hour.key] = _merged(hour, stored)
        HistorySegment.objects.using(history_db()).bulk_create(
            [segment for segment in segments.values() if segment is not None],
            update_conflicts=True,
            unique_fields=["driver", "hour"],
            update_fields=["first_at", "count", "data"],
        )


def _erasures(batch: Iterable[DriverHour]) -> dict[DriverId, datetime]:
    """Return the time before which each driver was erased."""
    erasures = HistoryErasure.objects.using(history_db())
    of_batch = erasures.filter(driver_id__in={hour.driver_id for hour in batch})
    return dict(of_batch.values_list("driver_id").annotate(Max("before")))


def _stored(batch: Sequence[DriverHour]) -> dict[Key, bytes | memoryview]:
    """Return the data of the segments that exist of these hours."""
    rows = HistorySegment.objects.using(history_db()).filter(
        driver_id__in={hour.driver_id for hour in batch}, hour__in={hour.hour for hour in batch}
    )
    return {(pk, hour): data for pk, hour, data in rows.values_list("driver_id", "hour", "data")}


def _merged(hour: DriverHour, stored: Mapping[Key, bytes | memoryview]) -> HistorySegment | None:
    """Return the segment of an hour with the stored fixes; None if they are all that there is."""
    if hour.key not in stored:
        return _segment(hour)
    known = {fix.recorded_at: fix for fix in unpack(stored[hour.key], hour.hour)}
    fixes = {fix.recorded_at: fix for fix in hour.fixes} | known
    if len(fixes) == len(known):
        return None
    return _segment(hour._replace(fixes=[fixes[at] for at in sorted(fixes)]))


def _segment(hour: DriverHour) -> HistorySegment:
    return HistorySegment(  # type: ignore[misc]  # the demo's ids are integers
        driver_id=hour.driver_id,
        hour=hour.hour,
        first_at=hour.fixes[0].recorded_at,
        count=len(hour.fixes),
        data=pack(hour.fixes, hour.hour),
    )
