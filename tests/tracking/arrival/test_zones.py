"""The index finds exactly the zones that a look at all of them finds, and looks at few."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.arrival.geometry import Circle, Polygon
from tracking.arrival.zones import Shape, ZoneIndex
from tracking.geo import METRES_PER_DEGREE, distance

AIRPORT = Shape(1, "circle", 60.3172, 24.9633, 2000)
DEPOT = Shape(2, "circle", 60.17, 24.94, 60)
YARD = Shape(3, "polygon", polygon=[[0, 0], [0, 0.001], [0.001, 0.001], [0.001, 0]])

BASES = [(60.17, 24.94), (0.0, 180.0), (-16.9, 179.99), (0.0, -90.0), (84.9, 0.0)]


def near(base, north, east):
    return base[0] + north, (base[1] + east + 180) % 360 - 180


PLACES = st.one_of(
    st.builds(near, st.sampled_from(BASES), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    st.sampled_from([(90.0, 0.0), (-90.0, 180.0), (0.0, 180.0), (0.0, -180.0)]),
)
CIRCLES = st.builds(
    lambda place, radius: {
        "kind": "circle",
        "latitude": place[0],
        "longitude": place[1],
        "radius": radius,
    },
    PLACES,
    st.one_of(st.floats(10, 50_000), st.floats(10, 300)),
)
POLYGONS = st.builds(
    lambda base, size, corners: {
        "kind": "polygon",
        "polygon": [list(near(base, y * size, x * size)) for y, x in corners],
    },
    st.sampled_from(BASES),
    st.sampled_from([1.0, 0.05, 0.001]),
    st.lists(st.tuples(st.floats(-1, 0.05), st.floats(-1, 1)), min_size=3, max_size=8, unique=True),
)


def metres(degrees):
    """Return a place so far north of the middle of the yard's northern border."""
    return 0.001 + degrees / METRES_PER_DEGREE, 0.0005


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(CIRCLES, POLYGONS), max_size=30), st.lists(PLACES, max_size=10))
def test_zones_are_those_of_a_look_at_all(listed, places):
    shapes = [Shape(number, **values) for number, values in enumerate(listed)]
    index = ZoneIndex(shapes)
    kept = [shape for shape in shapes if shape.id not in index.refused]
    assert len(index) == len(kept)
    # Centres and corners too: they are inside, or on the border.
    for shape in kept[:5]:
        places = [*places, *(shape.polygon or [(shape.latitude, shape.longitude)])]
    for place in places:
        expected = [shape.id for shape in kept if shape.area().contains(*place)]
        assert sorted(index.inside(*place)) == expected


@pytest.mark.parametrize("longitude", [-180.0, 180.0, 180 - 3e-14, 180 - 1e-13, -180 + 3e-14])
def test_zone_across_the_antimeridian_is_found_on_it_and_beside_it(longitude):
    index = ZoneIndex([Shape(1, "circle", 0.0, longitude, 10)])
    for place in (-180.0, 180.0, 180 - 3e-14, 180 - 1e-13, -180 + 3e-14):
        assert index.inside(0.0, place) == (1,)


def test_fix_in_several_zones_is_in_each():
    inner = Shape(7, "circle", 60.3172, 24.9633, 100)
    terminal = Shape(
        8, "polygon", polygon=[[60.31, 24.95], [60.31, 24.97], [60.32, 24.97], [60.32, 24.95]]
    )
    index = ZoneIndex([AIRPORT, inner, DEPOT, terminal])
    assert sorted(index.inside(60.3172, 24.9633)) == [1, 7, 8]
    assert index.inside(60.33, 24.9633) == (1,)
    assert index.inside(60.17, 24.94) == (2,)
    assert index.inside(0, 0) == ()


def test_values_of_zones_are_kept_by_id():
    index = ZoneIndex([AIRPORT, DEPOT])
    assert index.shape(2) is DEPOT
    assert 2 in index
    assert 3 not in index
    with pytest.raises(KeyError):
        index.shape(3)


def test_shapes_that_are_none_are_refused_and_the_others_kept():
    wrong = [
        Shape(4, "circle", 60, 25),
        Shape(5, "polygon", polygon=[[0, 0], [1, 1]]),
        Shape(6, "line"),
        Shape(7, "circle", 60, 25, -1),
    ]
    index = ZoneIndex([*wrong, DEPOT])
    assert list(index.refused) == [4, 5, 6, 7]
    assert index.refused[5] == "2 corners"
    assert index.inside(60.17, 24.94) == (2,)


@pytest.mark.parametrize(
    ("away", "accuracy", "is_clear"),
    [
        (0, 0, False),
        (49, 0, False),
        (51, 0, True),
        (51, None, True),
        (149, 100, False),
        (151, 100, True),
        (-20, 0, False),
    ],
)
def test_car_is_clear_of_a_small_zone_50_metres_and_its_accuracy_away(away, accuracy, is_clear):
    index = ZoneIndex([YARD, DEPOT])
    assert index.clear_of(3, *metres(away), accuracy) == is_clear
    place = 60.17 + (60 + away) / METRES_PER_DEGREE, 24.94
    assert index.clear_of(2, *place, accuracy) == is_clear


def test_margin_grows_with_the_zone_up_to_200_metres():
    middle = Shape(4, "circle", 0, 0, 300)
    index = ZoneIndex([AIRPORT, middle])
    for zone, radius, margin in [(middle, 300, 150), (AIRPORT, 2000, 200)]:
        for away, is_clear in [(margin - 1, False), (margin + 1, True)]:
            place = zone.latitude + (radius + away) / METRES_PER_DEGREE, zone.longitude
            assert index.clear_of(zone.id, *place, 0) == is_clear


def test_car_is_clear_of_a_zone_that_is_gone():
    assert ZoneIndex([DEPOT]).clear_of(99, 60.17, 24.94, 5)


def test_worse_accuracy_than_the_zone_is_large_proves_no_entry():
    index = ZoneIndex([AIRPORT, Shape(9, "circle", 0, 0, 20)])
    assert index.may_enter(9, 50)
    assert not index.may_enter(9, 51)
    assert index.may_enter(1, 2000)
    assert not index.may_enter(1, 2001)
    assert index.may_enter(9, None)


def test_signed_distance_is_to_the_border():
    index = ZoneIndex([DEPOT, YARD])
    assert index.distance(2, 60.17, 24.94) == -60
    assert index.distance(3, *metres(30)) == pytest.approx(30, abs=0.01)


def town(count, seed=1):
    """Return zones in a town of 30 km: nine depots for one polygon of 200 corners."""
    rng = random.Random(seed)
    shapes = []
    for number in range(count):
        place = 60.0 + rng.random() * 0.27, 24.7 + rng.random() * 0.54
        if number % 10:
            shapes.append(Shape(number, "circle", *place, rng.choice([30, 60, 150, 500, 2000])))
            continue
        size = rng.choice([0.001, 0.005, 0.02])
        ring = [divmod(step, 50) for step in range(200)]
        sides = [(0, 1), (1, 0), (0, -1), (-1, 0)]
        corners, at = [], place
        for side, _ in ring:
            at = at[0] + sides[side][0] * size / 50, at[1] + sides[side][1] * size / 50
            corners.append(list(at))
        shapes.append(Shape(number, "polygon", polygon=corners))
    return shapes


def test_look_up_among_1000_zones_looks_at_few(monkeypatch):
    shapes = town(1000)
    index = ZoneIndex(shapes)
    looks = []
    for kind in (Circle, Polygon):
        original = kind.contains
        monkeypatch.setattr(
            kind,
            "contains",
            lambda area, *place, original=original: looks.append(area) or original(area, *place),
        )
    rng = random.Random(2)
    found = 0
    for _ in range(500):
        found += len(index.inside(60.0 + rng.random() * 0.27, 24.7 + rng.random() * 0.54))
    assert found > 500  # more than one each
    # A box has little more room than the zone in it.
    assert len(looks) < 2 * found
    looks.clear()
    assert index.inside(48.85, 2.35) == ()
    assert looks == []


def test_zone_is_in_four_cells_at_most():
    for shape in town(200):
        index = ZoneIndex([shape])
        [(_, _, cells)] = index._levels
        assert len(cells) <= 4


def test_circle_radius_is_exact_to_the_millimetre():
    index = ZoneIndex([AIRPORT])
    south = AIRPORT.latitude - 2000 / METRES_PER_DEGREE
    assert distance(AIRPORT.latitude, AIRPORT.longitude, south, AIRPORT.longitude) == (
        pytest.approx(2000, abs=1e-6)
    )
    assert index.inside(south + 1e-8, AIRPORT.longitude) == (1,)
    assert index.inside(south - 1e-8, AIRPORT.longitude) == ()
