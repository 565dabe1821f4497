"""Locations of all drivers at a past moment, over HTTP."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.urls import include, path, resolve, reverse
from django.utils import timezone

from tracking.access_log import Way
from tracking.models import DriverLocation, LocationAccess

from ..history.tracks import NOON, drive, keep_hot, keep_packed, track_fix
from ..messages import DETAILS
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()

urlpatterns = [path("live/", include("tracking.urls.fleet"))]


@pytest.fixture(autouse=True)
def _a_day_later(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(days=1))


@pytest.fixture
def staff(transactional_db):
    return permitted(User.objects.create_user(email="staff@example.com").pk, "view_historyfix")


@pytest.fixture
def everybody(driver, other_driver):
    """Return the ids of two drivers that have a last known location."""
    DriverLocation.objects.bulk_create(
        DriverLocation(driver_id=pk, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON)
        for pk in (driver, other_driver)
    )
    return [driver, other_driver]


@pytest.fixture
def fleet_at(rest, staff):
    """Return a function that asks as staff where everybody was."""

    def fleet_at(query="time=2026-11-26T12:00:30Z", user=staff):
        return rest("GET", f"/fleet/at/?{query}", user)

    return fleet_at


def results(response):
    assert response.status_code == 200, response.content
    return response.json()["results"]


def test_results_are_details_at_that_time_in_the_order_of_ids(fleet_at, everybody):
    keep_hot(everybody[1], drive(10, accuracy=4.5, heading=90.0, speed=10.5))
    keep_packed(everybody[0], drive(2, at=NOON - timedelta(hours=3)))
    response = fleet_at()
    assert response["Cache-Control"] == "no-store"
    assert response.json()["time"] == "2026-11-26T12:00:30.000Z"
    one, two = results(response)
    assert [one["userId"], two["userId"]] == everybody
    assert list(two) == DETAILS
    assert two == {
        "location_lat": "60.0027",
        "location_lon": "25",
        "userId": everybody[1],
        "recorded_at": "2026-11-26T12:00:30.000Z",
        "received_at": "2026-11-26T12:00:30.000Z",
        "heading": 90.0,
        "speed": 10.5,
        "accuracy": 4.5,
        "heard_at": "2026-11-26T12:00:30.000Z",
        "clock_offset": None,
        "status": "live",
    }
    assert one["status"] == "offline"


@pytest.mark.parametrize(
    ("second", "received", "status"),
    [
        (16, 16, "live"),
        (15, 15, "stale"),
        (-29.999, -29.999, "stale"),
        (-30, -30, "offline"),
        (-30, -29, "stale"),
        # They arrived later, so nothing had been heard of the phone since.
        (16, 500, "live"),
        (-29, 500, "stale"),
        (-31, 500, "offline"),
    ],
)
def test_status_is_that_of_the_moment(fleet_at, everybody, second, received, status):
    arrived = NOON + timedelta(seconds=received)
    keep_hot(everybody[0], [track_fix(second, received_at=arrived)])
    (found,) = results(fleet_at())
    assert found["status"] == status


def test_bbox_finds_the_drivers_that_were_in_it(fleet_at, everybody):
    keep_hot(everybody[0], [track_fix(0, 60, 25), track_fix(31, 0, 0)])
    keep_packed(everybody[1], [track_fix(0, -17, 179.5)])
    for bbox, found in (("24,59,26,61", everybody[:1]), ("179,-20,-179,0", everybody[1:])):
        response = fleet_at(f"time=2026-11-26T12:00:30Z&bbox={bbox}")
        assert [result["userId"] for result in results(response)] == found


def test_only_staff_who_may_see_the_history_ask(fleet_at, driver, rider):
    permitted(rider, "view_driverlocation")
    for user in (driver, rider):
        problem(fleet_at(user=user), 403, "forbidden")
    problem(fleet_at(user=None), 401, "not_authenticated")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "time"),
        ("time=noon", "time"),
        ("time=2026-11-26T12:00:00", "time"),
        ("time=2026-11-27T12:00:00.001Z", "time"),
        ("time=0001-01-01T00:00:00Z", "time"),
        ("time=2026-11-26T12:00:00Z&tz=Moon", "tz"),
        ("time=2026-11-26T12:00:00Z&purpose=" + 201 * "x", "purpose"),
    ],
)
def test_what_is_wrong_is_answered_400_and_named(fleet_at, query, name):
    (error,) = problem_members(fleet_at(query), 400)["errors"]
    assert error["parameter"] == name
    assert not LocationAccess.objects.exists()


def test_bbox_that_means_nothing_is_answered_400(fleet_at):
    response = fleet_at("time=2026-11-26T12:00:00Z&bbox=1,2,3")
    assert "bbox" in problem(response, 400, "invalid_message")


def test_time_may_be_local(fleet_at):
    response = fleet_at("time=2026-11-26T14:00:00&tz=Europe/Helsinki")
    assert response.json()["time"] == "2026-11-26T12:00:00.000Z"


def test_each_look_is_recorded(fleet_at, staff):
    for _ in range(2):
        fleet_at("time=2026-11-26T12:00:30Z&purpose=theft")
    moment = NOON + timedelta(seconds=30)
    assert (
        list(
            LocationAccess.objects.values_list(
                "viewer", "driver", "way", "since", "until", "purpose"
            )
        )
        == [(staff, None, Way.PAST, moment, moment, "theft")] * 2
    )


def test_host_projects_choose_the_path(settings):
    settings.ROOT_URLCONF = __name__
    assert reverse("tracking_fleet:at") == "/live/at/"
    assert resolve("/live/at").func is resolve("/live/at/").func
