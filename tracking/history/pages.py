"""Parts of a track: pages of whole hours, and reading with flags in constant memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple

from tracking.history.fixes import TrackFix
from tracking.history.partitions import DAY, HOUR
from tracking.history.reading import CONTEXT, HourCount, read, with_flags
from tracking.ids import DriverId

# The fixes of a page over HTTP: 14 hours at one a second.
MAX_POINTS: Final = 50_000

# Fixes read at once, about 2.5 MB. A part has whole hours, so one hour may have more.
READ_AT_ONCE: Final = 10_000


class Page(NamedTuple):
    """The part of a window that one response shows, from its start until before `until`.

    `following` is the start of the next page, None after the last one.
    """

    counts: Sequence[HourCount]
    until: datetime
    following: datetime | None


def first_page(counts: Sequence[HourCount], until: datetime) -> Page:
    """Return the first page of a window with these counts: whole hours, at least one of them."""
    total = 0
    for index, (hour, fixes, _) in enumerate(counts):
        total += fixes
        if index and total > MAX_POINTS:
            return Page(counts[:index], hour, hour)
    return Page(counts, until, None)


def read_flagged(
    driver_id: DriverId, counts: Sequence[HourCount], since: datetime, until: datetime
) -> Iterator[TrackFix]:
    """Return the fixes of a window as `reading.track` does; `counts` are those of its hours.

    Memory does not grow with the number of fixes in a day.
    """
    parts = (
        read(driver_id, begin, end) for begin, end in _with_context(_parts(counts, since, until))
    )
    around = (fix for lists in parts for fix in chain.from_iterable(lists))
    return with_flags(around, since, until)


def _parts(
    counts: Sequence[HourCount], since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Return windows that have all the fixes, each of READ_AT_ONCE or of one hour."""
    parts: list[tuple[datetime, datetime]] = []
    total = READ_AT_ONCE
    for hour, fixes, _ in counts:
        begin, end = max(hour, since), min(hour + HOUR, until)
        total += fixes
        if total > READ_AT_ONCE or begin - parts[-1][1] > DAY:  # days are read one by one
            parts.append((begin, end))
            total = fixes
        else:
            parts[-1] = (parts[-1][0], end)
    return parts


def _with_context(parts: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    if parts:
        parts[0] = (parts[0][0] - CONTEXT, parts[0][1])
        parts[-1] = (parts[-1][0], parts[-1][1] + CONTEXT)
    return parts
