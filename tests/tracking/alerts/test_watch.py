"""Alerts in the database: raised once by any number of processes, and ended."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tracking import trips
from tracking.alerts.rows import count_open
from tracking.alerts.watch import Watch
from tracking.models import DriverAlert, DriverLocation, Trip, TripAssignment, TripEta
from tracking.polyline import encode

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
WAYPOINTS = [
    {"kind": "pickup", "lat": 60.0, "lon": 25.0},
    {"kind": "dropoff", "lat": 60.2, "lon": 25.0},
]
ROUTE = encode([(60.0 + step / 100, 25.0) for step in range(21)])
KILOMETRE_EAST = 1_000 / 55_597


@pytest.fixture
def clock(database, monkeypatch):
    """Return a function that sets the time, in seconds after noon."""

    def clock(seconds):
        monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=seconds))

    clock(0)
    return clock


@pytest.fixture
def drive(clock, new_user):
    """Return a driver's trip on the way to the destination."""
    trip = trips.create(riders=[new_user().pk], driver=new_user("driver").pk, waypoints=WAYPOINTS)
    Trip.objects.filter(pk=trip.pk).update(status="enroute_to_dropoff")
    return Trip.objects.get(pk=trip.pk)


@pytest.fixture
def fix(drive, clock):
    """Return a function that stores the driver's fix, at its time."""

    def fix(seconds, east=0.0):
        clock(seconds)
        at = NOON + timedelta(seconds=seconds)
        place = {"latitude": 60.1, "longitude": 25 + east, "recorded_at": at, "received_at": at}
        DriverLocation.objects.update_or_create(driver_id=drive.driver_id, defaults=place)

    return fix


def alerts(**fields):
    found = DriverAlert.objects.filter(**fields).order_by("pk")
    return [(alert.kind, (alert.since - NOON).total_seconds()) for alert in found]


def test_alert_is_raised_once_by_all_processes_and_ends_once_fixes_come_again(clock, fix, drive):
    one, two = Watch(), Watch()
    fix(10)
    clock(129)
    assert (one.look(), two.look()) == (0, 0)
    clock(130)
    one.look()
    two.look()
    assert alerts(ended_at=None) == [("silent", 10)]
    alert = DriverAlert.objects.get()
    assert (alert.driver_id, alert.trip_id) == (drive.driver_id, drive.pk)
    assert (alert.latitude, alert.longitude) == (60.1, 25)
    assert count_open() == {"silent": 1, "long_stop": 0, "off_route": 0}
    # One fix is not enough.
    fix(140)
    one.look()
    clock(180)
    one.look()
    for seconds in range(190, 251, 20):
        fix(seconds)
        one.look()
        two.look()
    assert alerts(ended_at=None) == []
    assert DriverAlert.objects.get().ended_at == NOON + timedelta(seconds=190)
    assert count_open()["silent"] == 0


def test_end_of_the_trip_ends_its_alerts_at_once(clock, drive):
    watch = Watch()
    clock(120)
    watch.look()
    clock(125)
    trips.cancel(drive)
    watch.look()
    assert DriverAlert.objects.get().ended_at == NOON + timedelta(seconds=125)
    assert watch.look() == 0


def test_other_driver_of_the_trip_has_alerts_of_its_own(clock, drive, new_user):
    watch = Watch()
    clock(120)
    watch.look()
    trips.assign(drive, new_user("driver").pk)
    watch.look()
    assert alerts(ended_at=None) == []
    clock(250)
    watch.look()
    assert alerts(ended_at=None) == [("silent", 120)]


def test_long_stop_is_not_ended_by_a_process_that_has_just_started(fix):
    watch = Watch()
    for seconds in range(0, 310, 20):
        fix(seconds)
        watch.look()
    assert alerts() == [("long_stop", 0)]
    watch = Watch()
    for seconds in range(320, 400, 20):
        fix(seconds)
        watch.look()
    assert alerts(ended_at=None) == [("long_stop", 0)]
    for seconds in range(400, 500, 20):
        fix(seconds, east=KILOMETRE_EAST)
        watch.look()
    assert alerts(ended_at=None) == []


def test_car_that_leaves_its_first_route_is_off_it_though_there_is_a_new_one(fix, drive):
    eta = {
        "driver_id": drive.driver_id,
        "waypoint": 1,
        "arrives_at": NOON,
        "distance": 9_000,
        "confidence": "high",
        "computed_at": NOON,
    }
    TripEta.objects.create(trip=drive, route=ROUTE, **eta)
    watch = Watch()
    fix(0)
    watch.look()
    TripEta.objects.update(route=encode([(60.1, 25 + KILOMETRE_EAST), (60.2, 25.1), (60.2, 25)]))
    for seconds in (10, 40, 70):
        fix(seconds, east=KILOMETRE_EAST)
        watch.look()
    assert alerts() == [("off_route", 10)]
    alert = DriverAlert.objects.get()
    assert (alert.waypoint, alert.route) == (1, ROUTE)
    watch = Watch()
    for seconds in range(80, 200, 20):
        fix(seconds, east=KILOMETRE_EAST)
        watch.look()
    assert alerts(ended_at=None) == [("off_route", 10)]
    for seconds in range(200, 280, 20):
        fix(seconds)
        watch.look()
    assert alerts(ended_at=None) == []


def test_route_of_a_straight_line_raises_nothing(fix, drive):
    TripEta.objects.create(
        trip=drive,
        driver_id=drive.driver_id,
        waypoint=1,
        arrives_at=NOON,
        distance=9_000,
        confidence="low",
        computed_at=NOON,
    )
    watch = Watch()
    for seconds in (0, 40, 80):
        fix(seconds, east=KILOMETRE_EAST)
        watch.look()
    assert alerts() == []


def test_queries_do_not_grow_with_the_drives(clock, new_user):
    watch = Watch()
    for _ in range(5):
        trips.create(riders=[new_user().pk], driver=new_user("driver").pk, waypoints=WAYPOINTS)
    with CaptureQueriesContext(connections[TripAssignment.objects.db]) as queries:
        watch.look()
    assert len(queries) == 2


def test_driver_has_one_open_alert_of_a_kind_on_a_trip(drive):
    values = {"kind": "silent", "driver_id": drive.driver_id, "trip": drive, "since": NOON}
    DriverAlert.objects.create(**values, ended_at=NOON)
    DriverAlert.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic(using=DriverAlert.objects.db):
        DriverAlert.objects.create(**values)
