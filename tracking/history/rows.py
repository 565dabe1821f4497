"""The rows of one driver: hot fixes, segments and holds in a span of time."""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet

from tracking.history.partitions import HOUR, history_db
from tracking.ids import DriverId
from tracking.models import HistoryFix, HistoryHold, HistorySegment

# Nothing was recorded before or is after, and the arithmetic of times stays far from both ends of
# `datetime`.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


def bounded(at: datetime) -> datetime:
    """Return an aware time, or EARLIEST or LATEST if it is beyond."""
    return min(max(at, EARLIEST), LATEST)


class Span(NamedTuple):
    """The time from `since` to `until`, exclusively, aware UTC."""

    since: datetime
    until: datetime

    def overlaps(self, other: "Span") -> bool:
        """Return True if both have a moment in common."""
        return self.since < other.until and other.since < self.until


def hot_rows(driver_id: DriverId, span: Span) -> QuerySet[HistoryFix]:
    """Return a driver's hot rows recorded in a span."""
    rows = HistoryFix.objects.using(history_db()).filter(recorded_at__gte=span.since)
    return rows.filter(driver_id=driver_id, recorded_at__lt=span.until)  # type: ignore[misc]  # the demo's ids are integers


def segments(driver_id: DriverId, span: Span) -> QuerySet[HistorySegment]:
    """Return a driver's segments of hours of which a part is in a span, unless all is after it."""
    rows = HistorySegment.objects.using(history_db()).filter(hour__gt=span.since - HOUR)
    rows = rows.filter(hour__lt=span.until, first_at__lt=span.until)
    return rows.filter(driver_id=driver_id)  # type: ignore[misc]  # as above


def live_holds(span: Span) -> QuerySet[HistoryHold]:
    """Return the holds of all drivers in a part of a span that have not been released."""
    return HistoryHold.objects.using(history_db()).filter(
        released_at=None, since__lt=span.until, until__gt=span.since
    )


def spans_of(holds: QuerySet[HistoryHold]) -> list[Span]:
    """Return the times of these holds."""
    return [Span(*times) for times in holds.values_list("since", "until")]


def delete(rows: QuerySet[Any]) -> int:
    """Delete rows of the history in one statement, and return their number.

    `QuerySet.delete` would load them all if the host has receivers for the signals of any model.
    """
    return rows._raw_delete(history_db())
