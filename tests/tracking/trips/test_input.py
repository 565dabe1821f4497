"""Input of trips: all messages, and nothing stored of what is refused."""

import math
from datetime import datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import trips
from tracking.models import DriverState, Trip, TripChange, WatchGrant

pytestmark = pytest.mark.django_db

HERE = {"kind": "pickup", "lat": 1.5, "lon": 2.5}


@pytest.fixture
def driver(new_user):
    return new_user("driver")


@pytest.fixture
def rider(new_user):
    return new_user("rider")


def reasons(**arguments):
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.create(**arguments)
    for model in (Trip, TripChange, DriverState, WatchGrant):
        assert not model.objects.exists()
    return caught.value.reasons


def waypoint_reasons(*waypoints):
    (found,) = reasons(waypoints=waypoints).pop("waypoints")
    return found


def test_trip_needs_nothing():
    trip = trips.create()
    trip.refresh_from_db()
    assert (trip.status, trip.driver, trip.version, trip.waypoints) == ("new", None, 1, [])
    assert (trip.reference, trip.vehicle, trip.ends_at, trip.ended_at) == ("", "", None, None)
    assert not trip.riders.exists()


def test_trip_keeps_what_it_was_given(driver, rider, new_user):
    ends_at = timezone.now() + timedelta(hours=2)
    other, dispatcher = new_user(), new_user("dispatcher")
    trip = trips.create(
        riders=[rider, other.pk, rider.pk],
        reference="T-7",
        driver=driver.pk,
        waypoints=iter([HERE]),
        vehicle="white Prius, AB 123",
        ends_at=ends_at,
        by=dispatcher,
    )
    trip.refresh_from_db()
    assert set(trip.riders.all()) == {rider, other}
    assert (trip.reference, trip.vehicle) == ("T-7", "white Prius, AB 123")
    assert (trip.driver, trip.ends_at, trip.created_by) == (driver, ends_at, dispatcher)
    change = trip.changes.get()
    assert (change.version, change.driver, change.changed_by) == (1, driver, dispatcher)
    assert trip.assignments.get().assigned_by == dispatcher


def test_rider_who_does_not_exist(rider):
    expected = {"riders": ["There is no such user."]}
    assert reasons(riders=[rider, 900_019]) == expected
    assert reasons(riders=[get_user_model()()]) == expected


def test_too_many_riders(new_user):
    riders = [new_user() for _ in range(21)]
    assert reasons(riders=riders) == {"riders": ["A trip has at most 20 riders."]}
    assert trips.create(riders=riders[1:]).riders.count() == 20


def test_driver_who_does_not_exist():
    assert reasons(driver=900_019) == {"driver": ["There is no such user."]}


def test_user_who_is_no_driver(rider):
    found = reasons(driver=rider)
    assert found.keys() == {"driver"}
    assert "isn't a driver" in found["driver"][0]


def test_driver_among_the_riders(driver, rider):
    assert reasons(riders=[rider, driver], driver=driver.pk) == {
        "driver": ["This driver is a rider of the trip."]
    }


@pytest.mark.parametrize(("name", "most"), [("reference", 100), ("vehicle", 200)])
def test_text_too_long(name, most):
    assert reasons(**{name: "é" * (most + 1)}) == {name: [f"Give at most {most} characters."]}
    assert getattr(trips.create(**{name: "é" * most}), name) == "é" * most


@pytest.mark.parametrize("name", ["reference", "vehicle"])
def test_null_characters(name):
    assert reasons(**{name: "a\0b"}) == {name: ["Null characters are not allowed."]}


@pytest.mark.parametrize("ends_at", [timedelta(0), timedelta(seconds=-1)])
def test_end_that_is_not_in_the_future(ends_at):
    expected = {"ends_at": ["A trip must end in the future."]}
    assert reasons(ends_at=timezone.now() + ends_at) == expected


def test_end_without_a_time_zone():
    assert reasons(ends_at=datetime(2999, 1, 1)) == {"ends_at": ["A time needs a time zone."]}


def test_all_reasons_are_given_at_once(driver):
    found = reasons(
        riders=[driver, 900_019],
        driver=driver,
        reference="\0",
        vehicle="v" * 201,
        ends_at=datetime(2999, 1, 1),
    )
    assert found.keys() == {"riders", "driver", "reference", "vehicle", "ends_at"}


def test_error_names_the_arguments():
    with pytest.raises(ValueError, match=r"vehicle: Give at most .* reference: Null|reference: "):
        trips.create(reference="\0", vehicle="v" * 201)


# Waypoints


def test_waypoints_are_stored_in_one_form():
    trip = trips.create(
        waypoints=[
            {"kind": "pickup", "lat": "-1.50", "lon": "2", "name": "Gate 3"},
            {"kind": "stop", "lat": 90, "lon": -180, "name": None},
            {"kind": "dropoff", "lat": -0.0, "lon": 1.123456789, "name": ""},
        ]
    )
    trip.refresh_from_db()
    assert trip.waypoints == [
        {"kind": "pickup", "lat": -1.5, "lon": 2.0, "name": "Gate 3"},
        {"kind": "stop", "lat": 90.0, "lon": -180.0, "name": None},
        {"kind": "dropoff", "lat": 0.0, "lon": 1.1234568, "name": None},
    ]


def test_too_many_waypoints():
    assert waypoint_reasons(*[HERE] * 26) == "A trip has at most 25 waypoints."
    assert len(trips.create(waypoints=[HERE] * 25).waypoints) == 25


def test_message_says_which_waypoint():
    text = "The kind is one of: pickup, stop, dropoff."
    wrong = HERE | {"kind": "Pickup"}
    assert waypoint_reasons(HERE, wrong) == f"waypoints[1]: {text}"
    with pytest.raises(trips.InvalidWaypoint) as caught:
        trips.create(waypoints=[HERE, wrong])
    assert (caught.value.number, caught.value.reason) == (1, text)


@pytest.mark.parametrize("kind", [None, "", "PICKUP", 1, ["pickup"], {"a": 1}])
def test_unknown_kind(kind):
    assert "The kind is one of" in waypoint_reasons(HERE | {"kind": kind})


@pytest.mark.parametrize("waypoint", ["pickup", None, 7, [1.5, 2.5], HERE | {"latitude": 1.5}])
def test_waypoint_of_another_shape(waypoint):
    expected = "Give kind, lat, lon; perhaps name, arriving_radius, arrived_radius."
    assert waypoint_reasons(waypoint) == f"waypoints[0]: {expected}"


def test_waypoint_has_radii_of_its_own():
    radii = {"arriving_radius": 800, "arrived_radius": 120.5}
    (stored,) = trips.create(waypoints=[HERE | radii]).waypoints
    assert {key: stored[key] for key in radii} == radii
    (stored,) = trips.create(waypoints=[HERE | dict.fromkeys(radii)]).waypoints
    assert set(stored) == {"kind", "lat", "lon", "name"}


@pytest.mark.parametrize("key", ["arriving_radius", "arrived_radius"])
@pytest.mark.parametrize("value", [9, 50_001, 0, -1, "100", True, [100], math.nan, math.inf])
def test_radius_that_is_none(key, value):
    text = f"waypoints[0]: {key} is a number of metres from 10 to 50000."
    assert waypoint_reasons(HERE | {key: value}) == text


def test_radii_in_the_wrong_order():
    text = "waypoints[0]: arriving_radius, {} m, can't be smaller than arrived_radius."
    assert waypoint_reasons(HERE | {"arriving_radius": 40}) == text.format(40)
    assert waypoint_reasons(HERE | {"arrived_radius": 501}) == text.format(500)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (90.001, "lat must be between -90 and 90"),
        ("-91", "lat must be between -90 and 90"),
        (10**400, "lat must be between -90 and 90"),
        (math.nan, "lat must be between -90 and 90"),
        (-math.inf, "lat must be between -90 and 90"),
        ("NaN", "lat must be a decimal string or a number"),
        ("ten", "lat must be a decimal string or a number"),
        ("", "lat must be a decimal string or a number"),
        (True, "lat must be a decimal string or a number"),
        ([1.5], "lat must be a decimal string or a number"),
        (None, "lat is missing: send it as decimal degrees"),
    ],
)
def test_latitude_that_is_none(value, text):
    assert waypoint_reasons(HERE | {"lat": value}) == f"waypoints[0]: {text}"


@pytest.mark.parametrize("value", [180.001, "-181", math.nan])
def test_longitude_out_of_range(value):
    text = "waypoints[0]: lon must be between -180 and 180"
    assert waypoint_reasons(HERE | {"lon": value}) == text


@pytest.mark.parametrize("missing", ["kind", "lat", "lon"])
def test_waypoint_with_a_part_missing(missing):
    assert waypoint_reasons({key: value for key, value in HERE.items() if key != missing})


@pytest.mark.parametrize("name", [7, "n" * 201, ["Gate 3"]])
def test_name_that_is_no_short_text(name):
    text = "waypoints[0]: The name is a text of at most 200 characters."
    assert waypoint_reasons(HERE | {"name": name}) == text


def test_name_with_a_null_character():
    text = "waypoints[0]: Null characters are not allowed."
    assert waypoint_reasons(HERE | {"name": "Gate\0"}) == text


def test_name_with_half_of_a_surrogate_pair():
    text = "waypoints[0]: Surrogate characters are not allowed."
    assert waypoint_reasons(HERE | {"name": "Gate \ud83d"}) == text
    whole = HERE | {"name": "Gate \U0001f697"}
    assert trips.create(waypoints=[whole]).waypoints[0]["name"] == "Gate \U0001f697"
