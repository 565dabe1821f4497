"""A driver's day in the history: what the admin's page shows of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from tracking.history.fixes import TrackFix
from tracking.history.pages import read_flagged
from tracking.history.partitions import HOUR, history_db
from tracking.history.reading import count_by_hour
from tracking.history.summary import Gap, Stop, Summary
from tracking.history.thinning import thin
from tracking.ids import DriverId
from tracking.models import HistoryFix, HistorySegment
from tracking.rest.windows import Window

# Fixes on the page, which says where the car was at any moment by the very fix. A day of one every
# 5 s has 17,280: 0.5 MB, made in 0.4 s. Longer tracks are thinned by shape, but for one fix in each
# KEPT_EVERY, so that the times stay right too: 86,400 fixes take 1.7 s.
MAX_FIXES: Final = 20_000
KEPT_EVERY: Final = timedelta(seconds=6)
# Flagged fixes on the page, spread over the day. More of them show nothing new.
MAX_FLAGGED: Final = 1_000
# Fixes in memory: a day at the maximum rate, 5 per second, has nine times as many.
MAX_READ: Final = 50_000

_MILLISECOND: Final = timedelta(milliseconds=1)
_SECOND: Final = timedelta(seconds=1)
_E6: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Day:
    """A driver's fixes in a window, and their summary.

    `fixes` are those without a flag, unless all have one. They and `flagged` may be fewer than the
    `count` and the `flagged_count` of the window. `distance` is in metres, `moving` in seconds.
    """

    window: Window
    fixes: list[TrackFix]
    flagged: list[TrackFix]
    count: int
    flagged_count: int
    distance: float
    moving: float
    stops: list[Stop]
    gaps: list[Gap]


def read_day(driver_id: DriverId, window: Window) -> Day:
    """Return a driver's day. Memory does not grow with the number of fixes."""
    summary = Summary()
    fixes: list[TrackFix] = []
    flagged: list[TrackFix] = []
    count = flagged_count = 0
    for fix in read_flagged(driver_id, count_by_hour(driver_id, *window), *window):
        count += 1
        summary.add(fix)
        if fix.flags:
            flagged_count += 1
        kept = flagged if fix.flags else fixes
        kept.append(fix)
        if len(kept) >= MAX_READ:
            kept[:] = _thinned(kept)
    summary.finish()
    return Day(
        window=window,
        fixes=_thinned(fixes or flagged),
        flagged=flagged[:: -(-len(flagged) // MAX_FLAGGED) or 1],
        count=count,
        flagged_count=flagged_count,
        distance=summary.distance,
        moving=_moving(fixes, summary.stops, summary.gaps),
        stops=summary.stops,
        gaps=summary.gaps,
    )


def _thinned(fixes: list[TrackFix]) -> list[TrackFix]:
    return thin(fixes, MAX_FIXES, _one_in_each(KEPT_EVERY, fixes))


def _one_in_each(length: timedelta, fixes: Iterable[TrackFix]) -> Iterator[datetime]:
    """Yield the times of the first fix, and of each that is so much later than the one before."""
    following: datetime | None = None
    for fix in fixes:
        if following is None or fix.recorded_at >= following:
            yield fix.recorded_at
            following = fix.recorded_at + length


def _moving(fixes: list[TrackFix], stops: Iterable[Stop], gaps: Iterable[Gap]) -> float:
    """Return the seconds between the first fix and the last that are in no stop and in no gap."""
    if not fixes:
        return 0.0
    seconds, at = 0.0, fixes[0].recorded_at
    pauses = [(stop.since, stop.until) for stop in stops]
    pauses += [(gap.since, gap.until) for gap in gaps]
    pauses.sort()
    for since, until in [*pauses, (fixes[-1].recorded_at,) * 2]:
        seconds += max(0.0, (since - at).total_seconds())
        at = max(at, until)
    return seconds


def neighbours(driver_id: DriverId, window: Window) -> tuple[datetime | None, datetime | None]:
    """Return a time of a fix before a window and one after it, of the nearest day or hour each.

    Four queries of one row of an index.
    """
    using = history_db()
    hot = HistoryFix.objects.using(using).filter(driver_id=driver_id)  # type: ignore[misc]  # the demo's ids are integers
    packed = HistorySegment.objects.using(using).filter(driver_id=driver_id)  # type: ignore[misc]  # as above
    before = [
        *hot.filter(recorded_at__lt=window.since)
        .order_by("-recorded_at")
        .values_list("recorded_at", flat=True)[:1],
        *packed.filter(hour__lt=window.since, first_at__lt=window.since)
        .order_by("-hour")
        .values_list("first_at", flat=True)[:1],
    ]
    after = [
        *hot.filter(recorded_at__gte=window.until)
        .order_by("recorded_at")
        .values_list("recorded_at", flat=True)[:1],
        # A window may end within an hour, as the days of some time zones do.
        *packed.filter(hour__gt=window.until - HOUR, first_at__gte=window.until)
        .order_by("hour")
        .values_list("first_at", flat=True)[:1],
    ]
    return max(before, default=None), min(after, default=None)


def offsets(window: Window, zone: tzinfo) -> list[tuple[datetime, timedelta]]:
    """Return the zone's offset from UTC at the start of a window, and each change of it, in order.

    The page shows times by these, so that they are the server's, whatever the browser knows of time
    zones.
    """
    at = window.since
    found = [(at, _offset(at, zone))]
    while at < window.until:
        following = min(at + timedelta(hours=1), window.until)
        if _offset(following, zone) != found[-1][1]:
            before = at
            while following - before > _SECOND:
                middle = before + (following - before) // 2
                if _offset(middle, zone) == found[-1][1]:
                    before = middle
                else:
                    following = middle
            change = following.replace(microsecond=0)
            if change < window.until:
                found.append((change, _offset(change, zone)))
        at = following
    return found


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def as_json(day: Day, zone: tzinfo) -> dict[str, Any]:
    """Return the day for the page's script.

    Times are milliseconds from the start of the window. The columns `time`, `latitude` and
    `longitude` of fixes have the first value and then differences; degrees are integers of 1e-6.
    """
    since = day.window.since
    return {
        "start": since.timestamp() * 1000,
        "length": _since(since, day.window.until),
        "offsets": [
            [_since(since, at), offset.total_seconds() * 1000]
            for at, offset in offsets(day.window, zone)
        ],
        "fixes": _columns(day.fixes, since),
        "flagged": _columns(day.flagged, since) | {"flags": [fix.flags for fix in day.flagged]},
        "stops": [
            [_since(since, stop.since), _since(since, stop.until), stop.latitude, stop.longitude]
            for stop in day.stops
        ],
        "gaps": [[_since(since, gap.since), _since(since, gap.until)] for gap in day.gaps],
    }


def _since(start: datetime, at: datetime) -> int:
    return (at - start) // _MILLISECOND


def _columns(fixes: list[TrackFix], since: datetime) -> dict[str, list[Any]]:
    """Return the fixes as columns. A column that is unknown throughout is empty."""
    return {
        "time": _differences(_since(since, fix.recorded_at) for fix in fixes),
        "latitude": _differences(round(fix.latitude * _E6) for fix in fixes),
        "longitude": _differences(round(fix.longitude * _E6) for fix in fixes),
        "accuracy": _known(fix.accuracy and max(1, round(fix.accuracy)) for fix in fixes),
        "heading": _known(fix.heading and round(fix.heading) for fix in fixes),
        # km/h
        "speed": _known(None if fix.speed is None else round(fix.speed * 3.6) for fix in fixes),
        "battery": _known(fix.battery for fix in fixes),
        "charging": _known(None if fix.charging is None else int(fix.charging) for fix in fixes),
    }


def _differences(values: Iterable[int]) -> list[int]:
    found: list[int] = []
    last = 0
    for value in values:
        found.append(value - last)
        last = value
    return found


def _known(values: Iterable[float | None]) -> list[float | None]:
    found = list(values)
    return [] if all(value is None for value in found) else found
