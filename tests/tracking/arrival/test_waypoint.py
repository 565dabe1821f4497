"""Steps at one waypoint: hysteresis and accuracy decide, not one lucky fix."""

import pytest

from tracking.arrival.waypoint import Waypoint

from .places import PLACE, fix_at


def waypoint(arriving=500.0, arrived=50.0, reached=()):
    return Waypoint(0, "pickup", PLACE, arriving, arrived, set(reached))


def steps(place, *drive, **rest):
    """Return the steps of a drive: pairs of metres from the place and seconds."""
    return [
        (step, second)
        for metres, second in drive
        for step in place.add(fix_at(metres, second, **rest))
    ]


def test_car_that_comes_stands_and_leaves_makes_each_step_once():
    drive = [(900, 0), (480, 60), (300, 80), (30, 100), (28, 105), (29, 110), (30, 115)]
    leave = [(60, 120), (90, 125), (140, 130), (180, 135), (250, 140), (300, 145), (350, 150)]
    assert steps(waypoint(), *drive, *leave) == [
        ("arriving", 60),
        ("arrived", 105),
        ("departed", 140),
    ]


@pytest.mark.parametrize("speed", [5.0, 8.0, 14.0])
@pytest.mark.parametrize("interval", [1, 2, 5])
def test_car_that_passes_by_does_not_arrive(speed, interval):
    drive = [(-600 + speed * second, second) for second in range(0, 240, interval)]
    assert [step for step, _ in steps(waypoint(), *drive)] == ["arriving"]


def test_one_fix_inside_proves_no_arrival_however_accurate_it_is():
    assert steps(waypoint(), (800, 0), (5, 5), (800, 10), (5, 15), (800, 20), accuracy=2.0) == [
        ("arriving", 5)
    ]


def test_fix_that_is_less_accurate_than_the_radius_does_not_enter():
    assert steps(waypoint(), (400, 0), accuracy=501.0) == []
    assert steps(waypoint(), (400, 0), accuracy=500.0) == [("arriving", 0)]
    place = waypoint(reached=["arriving"])
    assert steps(place, (10, 0), (10, 10), (10, 20), accuracy=51.0) == []
    assert steps(place, (10, 30), (10, 40), accuracy=50.0) == [("arrived", 40)]


def test_inaccurate_fix_between_two_good_ones_does_not_undo_the_first():
    place = waypoint(reached=["arriving"])
    assert steps(place, (20, 0)) == []
    assert steps(place, (120, 5), accuracy=100.0) == []
    assert steps(place, (20, 10)) == [("arrived", 10)]


def test_car_that_crawls_past_at_walking_pace_has_arrived():
    assert steps(waypoint(reached=["arriving"]), (20, 0), (25, 5)) == [("arrived", 5)]


def test_departure_needs_two_fixes_ten_seconds_apart():
    place = waypoint(reached=["arriving", "arrived"])
    assert steps(place, (200, 0), (200, 5), (200, 9)) == []
    assert steps(place, (200, 10)) == [("departed", 10)]


def test_stray_fix_outside_is_no_departure():
    place = waypoint(reached=["arriving", "arrived"])
    assert steps(place, (200, 0), (10, 5), (200, 10), (10, 15), (200, 20)) == []


def test_inaccurate_fix_outside_does_not_undo_the_first_of_a_departure():
    place = waypoint(reached=["arriving", "arrived"])
    assert steps(place, (300, 0)) == []
    assert steps(place, (300, 5), accuracy=250.0) == []
    assert steps(place, (300, 10)) == [("departed", 10)]


def test_car_that_passes_and_comes_back_does_not_arrive():
    assert steps(waypoint(reached=["arriving"]), (45, 0), (-45, 60)) == []


def test_fix_outside_by_less_than_its_accuracy_is_no_departure():
    place = waypoint(reached=["arriving", "arrived"])
    assert steps(place, (200, 0), (200, 15), (200, 30), accuracy=110.0) == []
    assert steps(place, (200, 45), (200, 60), accuracy=90.0) == [("departed", 60)]


def test_car_within_the_margin_has_not_left():
    place = waypoint(reached=["arriving", "arrived"])
    assert steps(place, (99, 0), (99, 20), (99, 40)) == []


def test_larger_radius_has_a_larger_margin():
    place = waypoint(arrived=400.0, reached=["arriving", "arrived"])
    assert steps(place, (590, 0), (590, 20)) == []
    assert steps(place, (610, 40), (610, 60)) == [("departed", 60)]


def test_evidence_is_carried_over_when_the_trip_is_read_again():
    first = waypoint(reached=["arriving"])
    assert steps(first, (10, 0)) == []
    second = waypoint(reached=["arriving"])
    second.carry_over(first)
    assert steps(second, (10, 5)) == [("arrived", 5)]


def test_car_that_begins_inside_arrives_too():
    assert steps(waypoint(), (10, 0), (10, 5)) == [("arriving", 0), ("arrived", 5)]
