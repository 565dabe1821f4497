"""Parts of a track: pages of whole hours, and reading with flags in constant memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple

from tracking.history.fixes import TrackFix
from tracking.history.partitions import DAY, HOUR
from tracking.history.reading import HourCount, read, with_context, with_flags
from tracking.history.rows import Span
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
    """Yield the fixes of a window as `reading.track` does; `counts` are those of its hours.

    Memory does not grow with the number of fixes in a day.
    """
    parts = _parts(counts, since, until)
    if not parts:
        return
    around = with_context(driver_id, Span(since, until))
    parts[0] = Span(around.since, parts[0].until)
    parts[-1] = Span(parts[-1].since, around.until)
    lists = chain.from_iterable(read(driver_id, *part) for part in parts)
    yield from with_flags(chain.from_iterable(lists), since, until)


def _parts(counts: Sequence[HourCount], since: datetime, until: datetime) -> list[Span]:
    """Return windows that have all the fixes, each of READ_AT_ONCE or of one hour."""
    parts: list[Span] = []
    total = READ_AT_ONCE
    for hour, fixes, _ in counts:
        begin, end = max(hour, since), min(hour + HOUR, until)
        total += fixes
        if total > READ_AT_ONCE or begin - parts[-1].until > DAY:  # days are read one by one
            parts.append(Span(begin, end))
            total = fixes
        else:
            parts[-1] = Span(parts[-1].since, end)
    return parts
