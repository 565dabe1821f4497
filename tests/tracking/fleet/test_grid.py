"""The grid finds exactly the nearest places, compared with looking at all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.fleet.grid import Grid
from tracking.geo import distance

latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 89.9999, 0.0]))
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 180.0, 179.9999, 0.0]))
# Near each other, as in a town, also across the antimeridian and at a pole.
close = st.builds(
    lambda base, north, east: (
        max(-90.0, min(90.0, base[0] + north)),
        (base[1] + east + 180) % 360 - 180,
    ),
    st.sampled_from([(60.17, 24.94), (0.0, 180.0), (-16.9, 179.99), (90.0, 0.0), (-90.0, 7.0)]),
    st.floats(-0.05, 0.05),
    st.floats(-0.05, 0.05),
)
places = st.one_of(st.tuples(latitudes, longitudes), close)


def all_of(points, latitude, longitude):
    found = [(distance(latitude, longitude, *place), key) for key, place in points.items()]
    return sorted(found)


def filled(points):
    grid = Grid()
    for key, place in points.items():
        grid.put(key, *place)
    return grid


@given(st.lists(places, max_size=60), places, st.integers(1, 12))
def test_nearest_are_those_of_all(listed, place, count):
    points = dict(enumerate(listed))
    found = filled(points).nearest(*place, count)
    expected = all_of(points, *place)[:count]
    assert len(found) == len(expected)
    # Places at the same distance may be exchanged.
    for near, (metres, _) in zip(found, expected, strict=True):
        assert near.distance == pytest.approx(metres, rel=1e-6, abs=1e-3)
        assert distance(*place, *points[near.key]) == pytest.approx(metres, rel=1e-6, abs=1e-3)
    assert [near.distance for near in found] == sorted(near.distance for near in found)


@given(st.lists(places, max_size=60), places, st.floats(0, 20_000_000))
def test_radius_limits_to_those_within(listed, place, radius):
    points = dict(enumerate(listed))
    found = {near.key for near in filled(points).nearest(*place, 100, radius=radius)}
    for metres, key in all_of(points, *place):
        # Of places on the circle itself, rounding decides.
        if abs(metres - radius) > 1e-3 + radius * 1e-6:
            assert (key in found) == (metres < radius)


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), places)), max_size=80), places)
def test_moves_and_removals_leave_no_trace(steps, place):
    points, grid = {}, Grid()
    for key, target in steps:
        if target is None:
            grid.remove(key)
            points.pop(key, None)
        else:
            grid.put(key, *target)
            points[key] = target
    assert len(grid) == len(points)
    assert {near.key for near in grid.nearest(*place, 10)} == set(points)
    for key in list(points):
        grid.remove(key)
    assert grid._root.cubes is None
    assert grid._root.places == {}


@given(st.lists(st.tuples(places, st.integers(0, 9)), max_size=80), places, st.integers(0, 9))
def test_only_places_of_later_times_are_found(listed, place, since):
    grid = Grid()
    for key, (target, at) in enumerate(listed):
        grid.put(key, *target, at)
    found = {near.key for near in grid.nearest(*place, 100, since=since)}
    assert found == {key for key, (_, at) in enumerate(listed) if at >= since}


@given(st.lists(st.tuples(st.integers(0, 40), close), min_size=100, max_size=200), close)
def test_cubes_that_were_split_find_the_same(steps, place):
    points, grid = {}, Grid()
    for key, target in steps:
        grid.put(key, *target)
        points[key] = target
    found = [near.distance for near in grid.nearest(*place, 7)]
    expected = [metres for metres, _ in all_of(points, *place)[:7]]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-3)


def places_in(cube):
    """Return how often each place of a cube is looked at: a dict that counts."""

    class Counted(dict):
        def items(self):
            looked.append(len(self))
            return super().items()

    looked = []
    pending = [cube]
    while pending:
        cube = pending.pop()
        pending += (cube.cubes or {}).values()
        cube.places = Counted(cube.places)
    return looked


@pytest.mark.parametrize("query", [{}, {"since": 9_999.0}, {"since": 10_000.0}])
def test_search_does_not_look_at_most_places(query):
    grid = Grid()
    for number in range(10_000):
        # Newer and newer, from south to north.
        grid.put(number, number / 1_000, 25, number)
    looked = places_in(grid._root)
    grid.nearest(0, 25, 3, **query)
    assert sum(looked) < 100


def test_any_number_of_cars_may_stand_at_one_place():
    grid = Grid()
    for number in range(200):
        grid.put(number, 60.0, 25.0)
    assert len(grid.nearest(60, 25, 150)) == 150
