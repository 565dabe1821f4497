"""Thinned tracks: their ends, extremes, stops and shape."""

import random
import time
from datetime import timedelta
from itertools import pairwise
from math import cos, pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.fakes import NOON
from tracking.geo import METRES_PER_DEGREE, degrees_east, metres_per_degree_east
from tracking.history.fixes import TrackFix
from tracking.history.summary import Summary
from tracking.history.thinning import thin
from tracking.plausibility import Flags

WUXI, EDGE = (31.5, 120.3), (-16.8, 180.0)


def at(second):
    return NOON + timedelta(seconds=second)


def track(places, start=WUXI, interval=5, **rest):
    """Return the fixes of places in metres to the north and east."""
    latitude, longitude = start
    fixes = []
    for n, (north, east) in enumerate(places):
        x = longitude + east / metres_per_degree_east(latitude)
        y = latitude + north / METRES_PER_DEGREE
        fixes.append(TrackFix(at(interval * n), at(interval * n), y, (x + 180) % 360 - 180, **rest))
    return fixes


def is_subsequence(some, fixes):
    rest = iter(fixes)
    return all(any(fix is other for other in rest) for fix in some)


METRES = st.floats(-20_000, 20_000)
TRACKS = st.builds(
    lambda places, start: track(places, start),
    st.lists(st.tuples(METRES, METRES), min_size=1, max_size=120),
    st.sampled_from([WUXI, EDGE]),
)


def northings(fixes):
    return [fix.latitude for fix in fixes]


def eastings(fixes, start):
    return [degrees_east(start, fix.longitude) for fix in fixes]


@settings(deadline=None)
@given(TRACKS, st.integers(2, 130))
def test_thinned_track_is_a_part_in_order_and_not_too_long(fixes, max_points):
    thinned = thin(fixes, max_points)
    assert len(thinned) <= max_points
    assert is_subsequence(thinned, fixes)
    if len(fixes) <= max_points:
        assert thinned == fixes


@settings(deadline=None)
@given(TRACKS, st.integers(2, 60))
def test_both_ends_are_kept(fixes, max_points):
    thinned = thin(fixes, max_points)
    assert (thinned[0], thinned[-1]) == (fixes[0], fixes[-1])


@settings(deadline=None)
@given(TRACKS, st.integers(6, 60))
def test_extremes_are_kept(fixes, max_points):
    start = fixes[0].longitude
    thinned = thin(fixes, max_points)
    for extreme in (min, max):
        assert extreme(northings(thinned)) == extreme(northings(fixes))
        east = extreme(eastings(thinned, start))
        assert east == pytest.approx(extreme(eastings(fixes, start)), abs=1e-9)


@settings(deadline=None)
@given(TRACKS, st.data())
def test_fixes_at_the_times_to_keep_are_kept(fixes, data):
    keep = data.draw(st.lists(st.sampled_from(fixes), max_size=10))
    thinned = thin(fixes, 6 + len(keep), [fix.recorded_at for fix in keep])
    assert {fix.recorded_at for fix in keep} <= {fix.recorded_at for fix in thinned}


@settings(deadline=None)
@given(TRACKS, st.integers(2, 60))
def test_same_track_is_thinned_the_same_way(fixes, max_points):
    assert thin(fixes, max_points) == thin(tuple(fixes), max_points)


@settings(deadline=None)
@given(TRACKS, st.integers(6, 60))
def test_more_points_are_added_to_the_same_ones(fixes, max_points):
    """Each further point is the one that deviates most."""
    assert is_subsequence(thin(fixes, max_points), thin(fixes, max_points + 10))


def test_begins_and_ends_of_stops_are_kept():
    rng = random.Random(1)
    places = [(12.0 * n, 300 * sin(n / 40)) for n in range(1000)]
    north, east = places[400]
    places[400:400] = [(north + rng.gauss(0, 8), east + rng.gauss(0, 8)) for _ in range(300)]
    fixes = track(places)
    summary = Summary()
    for fix in fixes:
        summary.add(fix)
    (stop,) = summary.finish().stops
    times = [stop.since, stop.until]
    assert set(times) <= {fix.recorded_at for fix in thin(fixes, 12, times)}


def test_times_to_keep_come_after_ends_and_extremes_and_within_the_maximum():
    fixes = track([(10 * n, 50 * sin(n)) for n in range(100)])
    keep = [fix.recorded_at for fix in fixes[40:60]]
    assert [fix.recorded_at for fix in thin(fixes, 2, keep)] == [at(0), at(495)]
    thinned = {fix.recorded_at for fix in thin(fixes, 8, keep)}
    assert len(thinned) == 8
    assert keep[0] in thinned


def test_unknown_times_are_ignored():
    fixes = track([(10 * n, n * n) for n in range(100)])
    assert thin(fixes, 10, [at(-100), at(3.3)]) == thin(fixes, 10)


def test_corners_are_kept():
    corners = [(0, 0), (1000, 0), (1000, 2000), (3000, 2000), (3000, 500), (500, 500)]
    places = []
    for (north, east), (to_north, to_east) in pairwise(corners):
        places += [
            (north + (to_north - north) * n / 50, east + (to_east - east) * n / 50)
            for n in range(50)
        ]
    fixes = track([*places, corners[-1]])
    kept = [fixes.index(fix) for fix in thin(fixes, len(corners))]
    assert kept == [0, 50, 100, 150, 200, 250]


def test_largest_detours_are_kept():
    """A straight drive with detours, of which there is room for the larger ones."""
    places = [(20.0 * n, 0.0) for n in range(1000)]
    detours = {100: 40, 300: 90, 500: 60, 700: 80, 900: 50}
    for n, metres in detours.items():
        places[n] = (20.0 * n, metres)
    fixes = track(places)
    kept = {fixes.index(fix) for fix in thin(fixes, 16)}
    assert {300, 500, 700} <= kept


def test_detour_back_along_the_same_road_is_kept():
    there = [(20.0 * n, 0.0) for n in range(100)]
    fixes = track([*there, *reversed(there[20:]), *there[20:]])
    thinned = thin(fixes, 4)
    assert [fixes.index(fix) for fix in thinned] == [0, 99, 179, 259]


@pytest.mark.parametrize("start", [WUXI, (-16.8, 179.95)])
def test_shape_is_the_same_across_the_antimeridian(start):
    places = [(3000 * sin(n / 50), 20 * n) for n in range(1000)]
    usual, fixes = track(places), track(places, start)
    assert [fixes.index(fix) for fix in thin(fixes, 30)] == pytest.approx(
        [usual.index(fix) for fix in thin(usual, 30)], abs=2
    )


@pytest.mark.parametrize("places", [[(5.0, 5.0)] * 500, [(10.0 * n, 0.0) for n in range(500)]])
def test_fixes_that_add_nothing_to_the_shape_are_left_out(places):
    assert len(thin(track(places), 100)) < 5


def test_flagged_fixes_are_left_out_of_a_thinned_track():
    fixes = track([(10.0 * n, 200 * sin(n / 20)) for n in range(300)])
    fixes[150] = track([(0, 90_000)], flags=Flags.JUMP)[0]
    fixes[0] = track([(0, -90_000)], flags=Flags.MOCK)[0]
    thinned = thin(fixes, 40)
    assert not any(fix.flags for fix in thinned)
    assert thinned[0] is fixes[1]
    assert thin(fixes, 300) == fixes


def test_track_of_flagged_fixes_alone_is_thinned_as_it_is():
    fixes = track([(n, n * n) for n in range(100)], flags=Flags.MOCK)
    thinned = thin(fixes, 10)
    assert len(thinned) == 10
    assert (thinned[0], thinned[-1]) == (fixes[0], fixes[-1])


@pytest.mark.parametrize("max_points", [1, 0, -5])
def test_less_than_two_points_are_an_error(max_points):
    with pytest.raises(ValueError, match="at least 2"):
        thin(track([(0, 0)] * 5), max_points)


def test_empty_track_stays_empty():
    assert thin([], 2) == []


def drive(count):
    rng = random.Random(1)
    heading = north = east = 0.0
    for _ in range(count):
        heading += rng.gauss(0, 0.1)
        north, east = north + 50 * cos(heading), east + 50 * sin(heading)
        yield north + rng.gauss(0, 5), east + rng.gauss(0, 5)


def spiral(count):
    return [(0.5 * n * cos(n / 20), 0.5 * n * sin(n / 20)) for n in range(count)]


def zigzag(count):
    """Return places that each deviate most: the worst case of the algorithm."""
    return [(10.0 * n * (-1) ** n, float(n)) for n in range(count)]


@pytest.mark.parametrize("shape", [drive, spiral, zigzag])
def test_long_track_takes_few_comparisons(shape):
    fixes = track(shape(20_000))
    began = time.process_time()
    thinned = thin(fixes, 5000)
    # 0.1 to 0.5 s. Without a limit, the spiral and the zigzag take a minute.
    assert time.process_time() - began < 5
    assert len(thinned) == 5000


def test_circle_is_still_round():
    fixes = track(
        [(1000 * cos(2 * pi * n / 5000), 1000 * sin(2 * pi * n / 5000)) for n in range(5000)]
    )
    kept = [fixes.index(fix) for fix in thin(fixes, 34)]
    assert max(after - before for before, after in pairwise(kept)) < 5000 / 12
