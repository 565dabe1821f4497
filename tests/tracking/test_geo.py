"""Distances between places whose distance is known, also across the antimeridian and the poles."""

from math import pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.geo import (
    EARTH_RADIUS,
    METRES_PER_DEGREE,
    degrees_east,
    distance,
    metres_per_degree_east,
)

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
PLACES = st.tuples(LATITUDES, LONGITUDES)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 0), (0, 1), METRES_PER_DEGREE),
        ((0, 0), (1, 0), METRES_PER_DEGREE),
        ((60, 0), (60, 0.001), METRES_PER_DEGREE / 2000),
        ((0, 179.9995), (0, -179.9995), METRES_PER_DEGREE / 1000),
        ((0, 180), (0, -180), 0),
        ((89.9995, 0), (89.9995, 180), METRES_PER_DEGREE / 1000),
        ((90, 17), (90, -100), 0),
        ((-90, 0), (90, 0), EARTH_RADIUS * pi),
        ((0, 0), (0, 180), EARTH_RADIUS * pi),
        ((31.5, 120.3), (31.5, 120.3), 0),
        ((31.5, 120.3), (31.5000001, 120.3), 0.0111),
        # By Vincenty's formula, on the ellipsoid: Lagos to São Paulo, Jakarta to Wuxi.
        ((6.5244, 3.3792), (-23.5505, -46.6333), 6_371_021),
        ((-6.2088, 106.8456), (31.4912, 120.3119), 4_410_866),
    ],
)
def test_distance_is_that_of_the_great_circle(one, other, metres):
    assert distance(*one, *other) == pytest.approx(metres, rel=0.006, abs=0.0002)


@settings(deadline=None)
@given(PLACES, PLACES)
def test_distance_is_symmetric_and_at_most_half_the_circumference(one, other):
    metres = distance(*one, *other)
    assert metres == pytest.approx(distance(*other, *one), abs=1e-6)
    assert 0 <= metres <= EARTH_RADIUS * pi


@settings(deadline=None)
@given(PLACES, PLACES, PLACES)
def test_detour_is_never_shorter(one, via, other):
    detour = distance(*one, *via) + distance(*via, *other)
    assert distance(*one, *other) <= detour + 0.1


@pytest.mark.parametrize(
    ("one", "other", "degrees"),
    [(1, 3, 2), (3, 1, -2), (179, -179, 2), (-179, 179, -2), (-180, 180, 0), (0, 180, 180)],
)
def test_way_east_is_the_shorter_one(one, other, degrees):
    assert degrees_east(one, other) == degrees


@settings(deadline=None)
@given(LATITUDES.filter(lambda latitude: abs(latitude) < 89), LONGITUDES)
def test_degree_east_has_the_length_of_its_parallel(latitude, longitude):
    metres = distance(latitude, longitude, latitude, longitude + 0.001)
    assert metres == pytest.approx(metres_per_degree_east(latitude) / 1000, rel=1e-4)
