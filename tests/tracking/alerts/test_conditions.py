"""When a condition is met and when it is over, without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from tracking.alerts.conditions import Condition, Drive, Place
from tracking.polyline import encode

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
PICKUP = {"kind": "pickup", "lat": 60.0, "lon": 25.0, "name": None}
DROPOFF = {"kind": "dropoff", "lat": 60.2, "lon": 25.0, "name": None}
# Along the meridian; one degree north is 111 km.
ROUTE = encode([(60.0 + step / 100, 25.0) for step in range(21)])
METRE_EAST = 1 / 55_597


def at(seconds):
    return NOON + timedelta(seconds=seconds)


class Car:
    """A driver on a trip, who is looked at after each fix."""

    def __init__(self, status="enroute_to_dropoff", **values):
        self.condition = Condition()
        self.drive = Drive(1, 7, at(0), status, [PICKUP, DROPOFF], None, None, None)._replace(
            **values
        )
        self.raised = set()

    def fix(self, seconds, latitude=60.1, east=0.0, accuracy=5.0):
        place = Place(latitude, 25 + east * METRE_EAST, accuracy, at(seconds), at(seconds))
        self.drive = self.drive._replace(place=place)
        return self.look(seconds)

    def look(self, seconds):
        verdicts = self.condition.judge(self.drive, at(seconds), frozenset(self.raised))
        self.since = {kind: verdict.since for kind, verdict in verdicts.items()}
        return {kind: verdict.is_met for kind, verdict in verdicts.items()}


@pytest.mark.parametrize(
    ("seconds", "is_met"), [(0, False), (30, False), (31, None), (119, None), (120, True)]
)
def test_driver_is_silent_two_minutes_after_the_last_fix(seconds, is_met):
    car = Car()
    car.fix(100)
    assert car.look(100 + seconds)["silent"] is is_met


def test_driver_without_a_location_is_silent_since_it_got_the_trip():
    car = Car()
    assert car.look(119)["silent"] is None
    assert car.look(120)["silent"] is True
    assert car.since["silent"] == at(0)


def test_driver_that_was_silent_before_the_trip_is_so_two_minutes_after():
    car = Car(since=at(1_000))
    car.fix(0)
    assert car.look(1_119)["silent"] is None
    assert car.look(1_120)["silent"] is True


def test_car_that_stands_for_five_minutes_on_the_way_stops_long():
    car = Car()
    car.fix(0, latitude=60.09)
    for seconds in range(10, 310, 10):
        assert car.fix(seconds, east=seconds % 3 * 20)["long_stop"] is False
    assert car.fix(310)["long_stop"] is True
    assert car.since["long_stop"] == at(10)


def test_stop_ends_only_beyond_the_second_limit():
    car = Car()
    car.fix(0)
    assert car.fix(300)["long_stop"] is True
    car.raised = {"long_stop"}
    assert car.fix(310, east=80)["long_stop"] is True
    assert car.fix(320, east=120)["long_stop"] is False


@pytest.mark.parametrize("status", ["new", "arrived_at_pickup"])
def test_car_that_need_not_drive_does_not_stop_long(status):
    car = Car(status)
    car.fix(0)
    assert car.fix(900)["long_stop"] is False
    car.drive = car.drive._replace(status="enroute_to_dropoff")
    assert car.fix(901)["long_stop"] is False
    assert car.fix(1_100)["long_stop"] is False


def test_car_at_a_waypoint_does_not_stop_long():
    car = Car()
    car.fix(0, latitude=60.2008)
    assert car.fix(900, latitude=60.2008)["long_stop"] is False


def test_silence_and_inexact_fixes_are_no_stop():
    car = Car()
    car.fix(0)
    assert car.look(900)["long_stop"] is False
    assert car.fix(290, latitude=60.15, accuracy=400)["long_stop"] is False
    assert car.fix(301)["long_stop"] is True


def test_car_beside_its_route_for_a_minute_is_off_it():
    car = Car(route_waypoint=1)
    assert car.condition.needs_route(car.drive)
    car.condition.follow(car.drive, ROUTE)
    assert not car.condition.needs_route(car.drive)
    assert car.fix(0)["off_route"] is False
    assert car.fix(10, east=240)["off_route"] is False
    assert car.fix(20, east=260)["off_route"] is None
    assert car.fix(79, east=400)["off_route"] is None
    assert car.fix(80, east=500)["off_route"] is True
    assert car.since["off_route"] == at(20)
    assert (car.condition.leg, car.condition.line) == (1, ROUTE)
    car.raised = {"off_route"}
    assert car.fix(90, east=200)["off_route"] is None
    assert car.fix(100, east=140)["off_route"] is False


def test_one_fix_beside_the_route_is_not_enough():
    car = Car(route_waypoint=1)
    car.condition.follow(car.drive, ROUTE)
    car.fix(0, east=900)
    assert car.look(100)["off_route"] is None
    assert car.fix(101, east=100)["off_route"] is False
    assert car.fix(102, east=900)["off_route"] is None


def test_straight_line_and_nonsense_are_no_route():
    car = Car(route_waypoint=1)
    for line in (encode([(60.0, 25.0), (60.2, 25.0)]), "!"):
        car.condition.follow(car.drive, line)
        car.fix(0, east=900)
        assert car.fix(90, east=900)["off_route"] is False
    car.drive = car.drive._replace(route_waypoint=0)
    assert not car.condition.needs_route(car.drive)


def test_route_of_another_leg_is_forgotten():
    car = Car("enroute_to_pickup", route_waypoint=0)
    car.condition.follow(car.drive, ROUTE)
    car.fix(0, east=900)
    car.drive = car.drive._replace(status="enroute_to_dropoff")
    assert car.fix(90, east=900)["off_route"] is False


def test_open_alerts_are_taken_over_by_another_process():
    car = Car(route_waypoint=1)
    car.raised = {"long_stop", "off_route"}
    place = (60.1, 25 + 900 * METRE_EAST)
    car.condition.resume("long_stop", at(0), place, None, "")
    car.condition.resume("off_route", at(0), place, 1, ROUTE)
    verdicts = car.fix(400, east=900)
    assert (verdicts["long_stop"], verdicts["off_route"]) == (True, True)
