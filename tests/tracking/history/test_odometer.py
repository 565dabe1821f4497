"""The length of a drive, fix by fix."""

import pytest

from tracking.geo import METRES_PER_DEGREE, distance
from tracking.history.odometer import Odometer

DEGREE = METRES_PER_DEGREE  # on the equator in either direction


def odometer(*places, radius=25.0):
    """Return an odometer that has passed places in metres to the north and east."""
    (north, east), *rest = places
    measured = Odometer(north / DEGREE, east / DEGREE)
    for north, east in rest:
        measured.add(north / DEGREE, east / DEGREE, radius)
    return measured


def test_fixes_far_apart_count_step_by_step():
    measured = odometer((0, 0), (300, 400), (300, 1000))
    assert measured.length_to(300 / DEGREE, 1000 / DEGREE) == pytest.approx(1100)


def test_fixes_close_together_count_as_their_mean():
    measured = odometer((0, 0), (100, -10), (100, 10), (100, 0), (200, 0))
    assert measured.length_to(200 / DEGREE, 0) == pytest.approx(200)


def test_group_is_within_the_radius_of_its_first_fix():
    places = [(10 * n, 0) for n in range(101)]
    zigzag = [(north, 5 * (-1) ** n) for n, (north, _) in enumerate(places)]
    assert odometer(*places).length_to(1000 / DEGREE, 0) == pytest.approx(1000)
    assert odometer(*zigzag).length_to(1000 / DEGREE, 0) == pytest.approx(1000, rel=0.01)
    alone = odometer(*zigzag, radius=1.0).length_to(1000 / DEGREE, 0)
    assert alone == pytest.approx(1414, rel=0.01)


def test_length_goes_on_after_a_restart():
    measured = odometer((0, 0), (5000, 0))
    measured.restart(70.0, 0.0, 1.0)
    assert measured.length_to(0.0, 1.0) == 70.0
    measured.add(0.0, 1.001, 25.0)
    assert measured.length_to(0.0, 1.001) == pytest.approx(70 + DEGREE / 1000)


def test_mean_of_a_group_is_right_across_the_antimeridian():
    measured = Odometer(0.0, 179.999)
    for longitude in (179.9999, -179.9999, 179.9999, -179.9999, -179.999):
        measured.add(0.0, longitude, 25.0)
    assert measured.length_to(0.0, -179.999) == pytest.approx(
        distance(0.0, 179.999, 0.0, -179.999), rel=1e-6
    )
