"""Removing a part of one driver's history, hot and packed, except what is held."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import QuerySet, Sum

from tracking.history.fixes import TrackFix
from tracking.history.packing import CorruptSegment, pack, unpack
from tracking.history.partitions import HOUR
from tracking.history.rows import Span, delete, hot_rows, segments
from tracking.ids import DriverId
from tracking.models import HistorySegment


def remove(driver_id: DriverId, span: Span, keep: Sequence[Span] = ()) -> int:
    """Delete a driver's fixes recorded in `span` and in none of `keep`; return their number.

    To be called in `rewriting()`. A packed hour of which a part stays is packed again. One that
    cannot be unpacked is deleted, unless a part of it is to be kept.
    """
    keep = [kept for kept in keep if kept.overlaps(span)]
    hot = hot_rows(driver_id, span)
    for kept in keep:
        hot = hot.exclude(recorded_at__gte=kept.since, recorded_at__lt=kept.until)
    removed = delete(hot)
    packed = segments(driver_id, span)
    whole = packed.filter(hour__gte=span.since, hour__lte=span.until - HOUR)
    for kept in keep:
        whole = whole.exclude(hour__gt=kept.since - HOUR, hour__lt=kept.until)
    removed += whole.aggregate(sum=Sum("count"))["sum"] or 0
    delete(whole)
    for hour, count, data in packed.values_list("hour", "count", "data"):
        removed += count - _cut(packed.filter(hour=hour), hour, count, data, span, keep)
    return removed


def _cut(
    row: QuerySet[HistorySegment],
    hour: datetime,
    count: int,
    data: bytes | memoryview,
    span: Span,
    keep: Sequence[Span],
) -> int:
    """Remove a part of a segment, and return the number of fixes that stay."""
    try:
        fixes = [fix for fix in unpack(data, hour) if _stays(fix, span, keep)]
    except CorruptSegment:
        if any(kept.overlaps(Span(hour, hour + HOUR)) for kept in keep):
            return count
        fixes = []
    if not fixes:
        delete(row)
    elif len(fixes) < count:
        row.update(first_at=fixes[0].recorded_at, count=len(fixes), data=pack(fixes, hour))
    return len(fixes)


def _stays(fix: TrackFix, span: Span, keep: Iterable[Span]) -> bool:
    at = fix.recorded_at
    return not (span.since <= at < span.until) or any(
        kept.since <= at < kept.until for kept in keep
    )
