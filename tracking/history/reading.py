"""Reading the history: the hot rows and the packed hours as one.

Tracks are read in steps of a day, so that memory does not grow with the window. A fix that is both
hot and packed, as while a day is being packed, is returned once.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final, NamedTuple

import msgspec
from django.db.models import BigIntegerField, Count, F, Func, Max, Min, QuerySet
from django.db.models.functions import TruncHour

from tracking.history.fixes import TrackFix
from tracking.history.packing import E7, CorruptSegment, unpack, unpack_last
from tracking.history.partitions import DAY, HOUR, day_of, is_partitioned, start_of
from tracking.history.rows import Span, bounded, hot_rows, segments
from tracking.ids import DriverId
from tracking.models import HistoryFix
from tracking.plausibility import flagged

# At least this is read before and after a window, to judge its first and last fixes.
CONTEXT: Final = timedelta(minutes=5)
_MICROSECOND: Final = timedelta(microseconds=1)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The columns of a hot row after its times.
_COLUMNS: Final = (
    "latitude_e7",
    "longitude_e7",
    "accuracy",
    "heading",
    "speed",
    "battery",
    "charging",
    "mock",
)


class HourCount(NamedTuple):
    """The number of a driver's kept fixes in one hour; at most that, if it is not `exact`.

    It is not exact while the same hour has hot rows and a packed segment.
    """

    hour: datetime
    fixes: int
    exact: bool


def read(driver_id: DriverId, since: datetime, until: datetime) -> Iterator[list[TrackFix]]:
    """Yield a driver's fixes recorded from `since` to `until`, exclusively, in order, in lists."""
    begin, until = bounded(since), bounded(until)
    if until - begin > DAY:
        begin, until = _narrowed(driver_id, begin, until)
    while begin < until:
        end = min(until, start_of(day_of(begin) + DAY))
        if fixes := _read_part(driver_id, begin, end):
            yield fixes
        begin = end


def track(driver_id: DriverId, since: datetime, until: datetime) -> Iterator[TrackFix]:
    """Return a driver's fixes recorded from `since` to `until`, exclusively, in order, with flags.

    The fixes around the window decide about those at its ends, so that a fix has the same flags in
    every window.
    """
    around = read(driver_id, *with_context(driver_id, Span(since, until)))
    return with_flags(chain.from_iterable(around), since, until)


def with_context(driver_id: DriverId, window: Span) -> Span:
    """Return a window with the time around it whose fixes decide about its flags.

    That is CONTEXT on each side or, for a phone that reports less often, the time until the next
    fix, if there is one within a DAY.
    """
    since, until = map(bounded, window)
    before, after = _newest_before(driver_id, since), _oldest_from(driver_id, until)
    return Span(
        min(since - CONTEXT, before or since),
        max(until + CONTEXT, after + _MICROSECOND if after else until),
    )


def with_flags(around: Iterable[TrackFix], since: datetime, until: datetime) -> Iterator[TrackFix]:
    """Yield the fixes of a window with their flags; `around` has those `with_context`."""
    for fix, flags in flagged(around):
        if since <= fix.recorded_at < until:
            yield msgspec.structs.replace(fix, flags=flags) if flags else fix


def count_by_hour(driver_id: DriverId, since: datetime, until: datetime) -> list[HourCount]:
    """Return the numbers of a driver's fixes by hour, UTC, in order; empty hours are left out.

    The first and the last hour count whole, as far as they are packed; the last one not at all, if
    all its fixes are later.
    """
    span = Span(bounded(since), bounded(until))
    hot_counts = dict(
        hot_rows(driver_id, span)
        .annotate(in_hour=TruncHour("recorded_at", tzinfo=UTC))
        .values_list("in_hour")
        .annotate(Count("recorded_at"))
    )
    packed_counts = dict(segments(driver_id, span).values_list("hour", "count"))
    return [
        HourCount(
            hour,
            hot_counts.get(hour, 0) + packed_counts.get(hour, 0),
            not (hour in hot_counts and hour in packed_counts),
        )
        for hour in sorted(hot_counts.keys() | packed_counts.keys())
    ]


class _Microseconds(Func):
    """A time since 1970, or the difference of two times, as an integer. PostgreSQL."""

    template = "(extract(epoch FROM %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()


def hot_fixes(rows: QuerySet[HistoryFix]) -> list[TrackFix]:
    """Return the fixes of one driver's rows, in the order of `recorded_at`."""
    rows = rows.order_by("recorded_at")
    if not is_partitioned():
        return [
            TrackFix(recorded_at, received_at, latitude / E7, longitude / E7, *rest)
            for recorded_at, received_at, latitude, longitude, *rest in rows.values_list(
                "recorded_at", "received_at", *_COLUMNS
            )
        ]
    # psycopg takes 4 µs to convert a time, which is most of the cost of a row.
    delay = _Microseconds(F("received_at") - F("recorded_at"))
    times = rows.annotate(time=_Microseconds("recorded_at"), delay=delay)
    return [
        TrackFix(
            recorded := _EPOCH + timedelta(microseconds=time),
            recorded + timedelta(microseconds=delay) if delay else recorded,
            latitude / E7,
            longitude / E7,
            *rest,
        )
        for time, delay, latitude, longitude, *rest in times.values_list("time", "delay", *_COLUMNS)
    ]


def _newest_before(driver_id: DriverId, at: datetime) -> datetime | None:
    """Return the time of the newest fix before `at`, None without one in the DAY before."""
    # The hot ones first, here and below, as in `_read_part`.
    span = Span(at - DAY, at)
    rows = hot_rows(driver_id, span).order_by("-recorded_at")
    times = list(rows.values_list("recorded_at", flat=True)[:1])
    hours = segments(driver_id, span).order_by("-hour")
    for hour, data in hours.values_list("hour", "data")[:1]:
        # A damaged hour fails where it is read, and not where it is beside what is read.
        with suppress(CorruptSegment):
            last = unpack_last(data, hour, at - _MICROSECOND, 1)
            times += [fix.recorded_at for fix in last]
    return max((time for time in times if time >= span.since), default=None)


def _oldest_from(driver_id: DriverId, at: datetime) -> datetime | None:
    """Return the time of the oldest fix at `at` or later, None without one in the DAY after."""
    span = Span(at, at + DAY)
    rows = hot_rows(driver_id, span).order_by("recorded_at")
    times = list(rows.values_list("recorded_at", flat=True)[:1])
    # Of two hours, as all fixes of the first one may be before.
    hours = segments(driver_id, span).order_by("hour")
    for hour, data in hours.values_list("hour", "data")[:2]:
        with suppress(CorruptSegment):
            later = [fix.recorded_at for fix in unpack(data, hour) if fix.recorded_at >= at]
            times += later[:1]
            if later:
                break
    return min((time for time in times if time < span.until), default=None)


def _narrowed(driver_id: DriverId, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Return the part of a long window that has fixes, so that no empty year is read day by day."""
    span = Span(since, until)
    rows, packed_hours = hot_rows(driver_id, span), segments(driver_id, span)
    hot = rows.aggregate(first=Min("recorded_at"), last=Max("recorded_at"))
    packed = packed_hours.aggregate(first=Min("hour"), last=Max("hour"))
    starts = [at for at in (hot["first"], packed["first"]) if at is not None]
    ends = [hot["last"] + _MICROSECOND] if hot["last"] is not None else []
    if packed["last"] is not None:
        ends.append(packed["last"] + HOUR)
    if not starts:
        return until, until
    return max(since, min(starts)), min(until, max(ends))


def _read_part(driver_id: DriverId, since: datetime, until: datetime) -> list[TrackFix]:
    """Return the fixes of a part of one day."""
    # The hot ones first: between the two queries a day may be packed and its partition dropped.
    span = Span(since, until)
    hot = hot_fixes(hot_rows(driver_id, span))
    hours = segments(driver_id, span).order_by("hour")
    packed = [
        fix
        for hour, data in hours.values_list("hour", "data")
        for fix in _unpacked(driver_id, hour, data)
        if since <= fix.recorded_at < until
    ]
    if not packed or not hot:
        return packed or hot
    merged = {fix.recorded_at: fix for fix in hot} | {fix.recorded_at: fix for fix in packed}
    return [merged[at] for at in sorted(merged)]


def _unpacked(driver_id: DriverId, hour: datetime, data: bytes | memoryview) -> list[TrackFix]:
    try:
        return unpack(data, hour)
    except CorruptSegment as error:
        raise CorruptSegment(f"driver {driver_id}, hour {hour.isoformat()}: {error}") from error
