"""Thinning: fewer fixes that keep the shape of a track. No I/O.

By the algorithm of Douglas and Peucker, the largest deviation first: wherever the track deviates
most from the line between two kept fixes, the fix there is kept as well.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from typing import Final

from tracking.geo import METRES_PER_DEGREE, degrees_east, metres_per_degree_east
from tracking.history.fixes import TrackFix

# Comparisons of a fix with a line, per fix of the track. Drives of 50,000 fixes take up to 18, 0.3
# to 0.8 s in all. A widening spiral would take 800, so beyond this only a sample of each part is
# compared.
MAX_COMPARISONS: Final = 50
SAMPLE: Final = 64

# The points that are kept first: both ends, and the extremes in four directions.
MAX_OUTERMOST: Final = 6


def thin(
    fixes: Sequence[TrackFix], max_points: int, keep: Iterable[datetime] = ()
) -> list[TrackFix]:
    """Return at most `max_points` fixes of a track, in order, that show its shape best.

    Kept are, in this order and as far as `max_points` allows: both ends; the northernmost,
    southernmost, easternmost and westernmost fixes; the fixes recorded at the times `keep`, such as
    the begins and ends of stops; and those of the largest deviation. Fixes that deviate nowhere are
    left out. Fixes with a flag are left out too, unless all have one. A track that is short enough
    is returned as it is, with the flagged fixes. Raise `ValueError` if `max_points` is below 2.
    """
    if max_points < 2:
        raise ValueError("max_points must be at least 2")
    if len(fixes) <= max_points:
        return list(fixes)
    good = [fix for fix in fixes if not fix.flags] or list(fixes)
    if len(good) <= max_points:
        return good
    plane = _Plane(good)
    kept = {0, len(good) - 1}
    for index in (*plane.extremes(), *_recorded_at(good, keep)):
        if len(kept) < max_points:
            kept.add(index)
    _add_deviations(plane, kept, max_points)
    return [good[index] for index in sorted(kept)]


class _Plane:
    """A track in metres on a plane, east and north; across the antimeridian it goes on."""

    def __init__(self, fixes: Sequence[TrackFix]) -> None:
        latitudes = [fix.latitude for fix in fixes]
        steps = (
            degrees_east(before.longitude, after.longitude) for before, after in pairwise(fixes)
        )
        scale = metres_per_degree_east((min(latitudes) + max(latitudes)) / 2)
        self._xs = [degrees * scale for degrees in accumulate(steps, initial=0.0)]
        self._ys = [latitude * METRES_PER_DEGREE for latitude in latitudes]
        self._comparisons = MAX_COMPARISONS * len(fixes)

    def extremes(self) -> list[int]:
        """Return the northernmost, southernmost, easternmost and westernmost fix."""
        xs, ys, indexes = self._xs, self._ys, range(len(self._xs))
        return [
            max(indexes, key=ys.__getitem__),
            min(indexes, key=ys.__getitem__),
            max(indexes, key=xs.__getitem__),
            min(indexes, key=xs.__getitem__),
        ]

    def farthest(self, first: int, last: int) -> tuple[float, int]:
        """Return the largest deviation from the line between two fixes, squared, and its fix."""
        step = 1 if self._comparisons > 0 else max(1, (last - first) // SAMPLE)
        self._comparisons -= (last - first) // step
        xs, ys = self._xs, self._ys
        first_x, first_y = xs[first], ys[first]
        line_x, line_y = xs[last] - first_x, ys[last] - first_y
        line_squared = line_x * line_x + line_y * line_y
        largest, farthest = 0.0, first
        for index in range(first + 1, last, step):
            x, y = xs[index] - first_x, ys[index] - first_y
            along = x * line_x + y * line_y
            if along <= 0:  # before the line
                squared = x * x + y * y
            elif along >= line_squared:  # behind the line
                squared = (x - line_x) ** 2 + (y - line_y) ** 2
            else:
                across = x * line_y - y * line_x
                squared = across * across / line_squared
            if squared > largest:
                largest, farthest = squared, index
        return largest, farthest


def _recorded_at(fixes: Sequence[TrackFix], times: Iterable[datetime]) -> list[int]:
    """Return the fixes that were recorded at these times, in the order of the times."""
    wanted = list(times)
    if not wanted:
        return []
    indexes = {fix.recorded_at: index for index, fix in enumerate(fixes)}
    return [indexes[time] for time in wanted if time in indexes]


def _add_deviations(plane: _Plane, kept: set[int], max_points: int) -> None:
    """Add the fixes of the largest deviation until there are `max_points`."""
    # The parts between kept fixes: the largest deviation, negative, and where.
    parts: list[tuple[float, int, int, int]] = []
    new = list(pairwise(sorted(kept)))
    while True:
        for first, last in new:
            squared, farthest = plane.farthest(first, last)
            if squared > 0:
                heappush(parts, (-squared, farthest, first, last))
        if not parts or len(kept) >= max_points:
            return
        _, farthest, first, last = heappop(parts)
        kept.add(farthest)
        new = [(first, farthest), (farthest, last)]
