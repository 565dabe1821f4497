"""Circles and polygons, compared with slower ways to find the same."""

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tracking.arrival.geometry import (
    MAX_CORNERS,
    Circle,
    InvalidShape,
    Polygon,
    area_of,
    crossing,
    unwrapped,
)
from tracking.geo import METRES_PER_DEGREE, degrees_east, distance

CENTRES = [(0.0, 0.0), (60.17, 24.94), (-16.9, 179.99), (-16.9, -180.0), (71.0, 180.0)]
# Degrees: coordinates of corners around a centre, in the grid of 1 m that drawn ones have.
OFFSETS = st.integers(-2000, 2000).map(lambda steps: steps * 1e-5)

SQUARE = [[0.0, 0.0], [0.0, 0.01], [0.01, 0.01], [0.01, 0.0]]


def moved(offsets, centre):
    """Return corners at these offsets from a centre, with longitudes in WGS 84."""
    latitude, longitude = centre
    return [[latitude + y, (longitude + x + 180) % 360 - 180] for y, x in offsets]


def shapes(size):
    offsets = st.lists(st.tuples(OFFSETS, OFFSETS), min_size=3, max_size=size, unique=True)
    return st.tuples(offsets, st.sampled_from(CENTRES))


def is_inside_by_winding(corners, latitude, longitude):
    """Return whether the border crosses the ray to the east an odd number of times."""
    # From the place, so that the antimeridian is nowhere near.
    flat = [(y - latitude, degrees_east(longitude, x)) for y, x in corners]
    count = 0
    for (y, x), (y_2, x_2) in pairwise([*flat, flat[0]]):
        if (y > 0) != (y_2 > 0):
            count += x + (x_2 - x) * -y / (y_2 - y) > 0
    return count % 2 == 1


def metres_to_border(corners, latitude, longitude, parts=400):
    """Return the distance to the nearest of many places of the border."""
    nearest = float("inf")
    for (y, x), (y_2, x_2) in pairwise([*corners, corners[0]]):
        east = degrees_east(x, x_2)
        for part in range(parts + 1):
            at = part / parts
            near = distance(latitude, longitude, y + (y_2 - y) * at, x + east * at)
            nearest = min(nearest, near)
    return nearest


@settings(deadline=None)
@given(shapes(12), st.tuples(OFFSETS, OFFSETS))
def test_polygon_contains_what_its_border_goes_around(shape, offset):
    offsets, centre = shape
    corners = moved(offsets, centre)
    [place] = moved([offset], centre)
    try:
        polygon = Polygon(corners)
    except InvalidShape:
        assume(False)
    # On the border itself, rounding decides.
    assume(abs(polygon.distance(*place)) > 1e-4)
    assert polygon.contains(*place) == is_inside_by_winding(corners, *place)
    assert polygon.contains(*place) == (polygon.distance(*place) < 0)


@settings(deadline=None, max_examples=40)
@given(shapes(5), st.tuples(OFFSETS, OFFSETS))
def test_distance_is_that_to_the_nearest_place_of_the_border(shape, offset):
    offsets, centre = shape
    corners = moved(offsets, centre)
    [place] = moved([offset], centre)
    try:
        polygon = Polygon(corners)
    except InvalidShape:
        assume(False)
    # Edges are at most 6.3 km long, so the places of a border are at most 16 m apart.
    expected = metres_to_border(corners, *place)
    assert abs(polygon.distance(*place)) == pytest.approx(expected, rel=0.005, abs=8)


@settings(deadline=None)
@given(shapes(12), st.tuples(OFFSETS, OFFSETS), st.floats(0, 3000))
def test_within_agrees_with_distance(shape, offset, metres):
    offsets, centre = shape
    [place] = moved([offset], centre)
    for area in (Circle(*moved([offsets[0]], centre)[0], 400), moved(offsets, centre)):
        try:
            area = area if isinstance(area, Circle) else Polygon(area)
        except InvalidShape:
            assume(False)
        away = area.distance(*place)
        assume(abs(away - metres) > 1e-3)
        assert area.is_within(*place, metres) == (away <= metres)


@pytest.mark.parametrize("longitude", [0.0, 179.995, -180.0])
def test_distance_to_a_square_is_exact(longitude):
    square = Polygon(moved(SQUARE, (0.0, longitude)))
    for offset, degrees in [
        ((0.005, 0.005), -0.005),
        ((0.002, 0.005), -0.002),
        ((0.005, 0.012), 0.002),
        ((-0.003, 0.005), 0.003),
        ((0.013, 0.014), 0.005),
        ((0.01, 0.005), 0),
    ]:
        [place] = moved([offset], (0.0, longitude))
        assert square.distance(*place) == pytest.approx(degrees * METRES_PER_DEGREE, abs=0.01)


@pytest.mark.parametrize(
    ("circle", "place", "is_inside"),
    [
        ((0, 179.9995, 200), (0, -179.9995), True),
        ((0, 179.9995, 100), (0, -179.9995), False),
        ((90, 0, 1000), (89.995, -120), True),
        ((89.999, 10, 1000), (89.995, -170), True),
        ((89.999, 10, 1000), (89.985, 10), False),
        ((-90, 0, 50_000), (-89.6, 77), True),
        ((60, 25, 10), (60, 25), True),
    ],
)
def test_circle_contains_what_is_near(circle, place, is_inside):
    assert Circle(*circle).contains(*place) == is_inside
    assert (Circle(*circle).distance(*place) <= 0) == is_inside


def test_neighbours_with_a_common_edge_contain_each_place_once():
    west = Polygon([[0, 0], [0, 0.007], [0.01, 0.003], [0.01, 0]])
    east = Polygon([[0.01, 0.003], [0, 0.007], [0, 0.01], [0.01, 0.01]])
    for step in range(1, 100):
        part = step / 100
        place = 0.01 * part, 0.007 - 0.004 * part
        assert west.contains(*place) + east.contains(*place) == 1


@pytest.mark.parametrize(
    "corners",
    [
        None,
        "polygon",
        [],
        [[0, 0], [0, 1]],
        [[0, 0], [0, 1], [1]],
        [[0, 0], [0, 1], [1, "1"]],
        [[0, 0], [0, 1], [1, None]],
        [[0, 0], [0, 1], [True, 1]],
        [[0, 0], [0, 1], [float("nan"), 1]],
        [[0, 0], [0, 1], [1, float("inf")]],
        [[0, 0], [0, 1], [86, 1]],
        [[0, 0], [0, 1], [1, 181]],
        [[0, 0], [0, 1], [0, 2]],  # no area
        [[0, 0], [0, 0], [0, 0]],
        [[60, -180], [60, -60], [60, 60], [60, 179]],  # around the pole
        [[0, 0], [0, 100], [1, 0]],  # too wide
        [[0, 0]] * (MAX_CORNERS + 1),
    ],
)
def test_what_is_no_polygon_is_refused(corners):
    with pytest.raises(InvalidShape):
        Polygon(corners)


@pytest.mark.parametrize("circle", [(91, 0, 10), (0, 181, 10), (0, 0, 0), (0, 0, float("nan"))])
def test_what_is_no_circle_is_refused(circle):
    with pytest.raises(InvalidShape):
        Circle(*circle)


def test_corners_beyond_the_antimeridian_exceed_180():
    assert unwrapped([[0, -179], [0, 179], [1, 179]]) == [(0, 181), (0, 179), (1, 179)]
    assert unwrapped([[0, 179], [0, -179], [1, -179]]) == [(0, 179), (0, 181), (1, 181)]


def test_area_is_positive_counterclockwise():
    area = (0.01 * METRES_PER_DEGREE) ** 2
    assert area_of(unwrapped(SQUARE)) == pytest.approx(area, rel=1e-6)
    assert area_of(unwrapped(SQUARE[::-1])) == pytest.approx(-area, rel=1e-6)
    assert Polygon(SQUARE).size == pytest.approx((area / 3.14159265) ** 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("corners", "edges"),
    [
        (SQUARE, None),
        (SQUARE[::-1], None),
        ([[0, 0], [1, 1], [0, 1], [1, 0]], (0, 2)),  # a bow
        ([[0, 0], [0, 2], [0, 1], [1, 1]], (0, 1)),  # goes back along an edge
        ([[0, 0], [0, 2], [2, 2], [0, 1], [2, 0]], (0, 2)),  # a corner on another edge
        ([[0, 0], [0, 0], [0, 2], [2, 2]], (0, 1)),  # the same corner twice in a row
        ([[0, 0], [0, 2], [2, 2], [0, 0], [2, 0]], (0, 2)),  # and later
        ([[0, 0], [0, 2], [1, 1], [2, 2], [2, 0]], None),  # a notch
        ([[0, 0], [0, 1], [0, 2], [2, 2]], None),  # three in a line
    ],
)
def test_crossing_edges_are_found(corners, edges):
    assert crossing(unwrapped(corners)) == edges
