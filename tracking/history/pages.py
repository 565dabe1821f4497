"""Parts of a track: pages of whole hours, and reading with flags in constant memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple

from tracking.history.fixes import TrackFix
from tracking.history.partitions import DAY, HOUR
from tracking.history.reading import HourCount, count_by_hour, read, with_context, with_flags
from tracking.history.rows import Span
from tracking.ids import DriverId

# The fixes of a page over HTTP: 14 hours at one a second.
MAX_POINTS: Final = 50_000

# Fixes read at once, about 2.5 MB. A part has whole hours, so one hour may have more.
READ_AT_ONCE: Final = 10_000


class Part(NamedTuple):
    """A driver's track in a window, with the numbers of its fixes by hour."""

    driver_id: DriverId
    window: Span
    counts: Sequence[HourCount]

    def fixes(self) -> Iterator[TrackFix]:
        """Yield the fixes with their flags."""
        return read_flagged(self.driver_id, self.counts, *self.window)


class Page(NamedTuple):
    """The parts of a track that one response shows.

    `following` is the start of the next page, None after the last one.
    """

    parts: Sequence[Part]
    following: datetime | None


def part_of(driver_id: DriverId, since: datetime, until: datetime) -> Part:
    """Return a driver's track in a window. It is not read yet, only counted."""
    return Part(driver_id, Span(since, until), count_by_hour(driver_id, since, until))


def first_page(parts: Sequence[Part]) -> Page:
    """Return the first page of these parts, in order: whole hours, at least one of them."""
    total, shown = 0, 0
    for number, part in enumerate(parts):
        for index, (hour, fixes, _) in enumerate(part.counts):
            total += fixes
            if shown and total > MAX_POINTS:
                cut = max(hour, part.window.since)
                before = Part(part.driver_id, Span(part.window.since, cut), part.counts[:index])
                return Page([*parts[:number], *([before] if index else [])], cut)
            shown += 1
    return Page(parts, None)


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
