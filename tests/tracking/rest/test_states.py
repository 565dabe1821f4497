"""Drivers' states over HTTP, for drivers and staff."""

import pytest

from tracking import states, trips
from tracking.models import DriverState, DriverStateChange

from .callers import new_caller
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(db):
    caller = new_caller("dispatcher")
    permitted(caller.pk, "view_driverstate", "change_driverstate")
    return caller


@pytest.fixture
def rider(db):
    return new_caller("rider")


@pytest.fixture
def driver(db):
    return new_caller("driver")


def get(caller, driver):
    return caller.get(f"/driver/{driver.pk}/state/")


def put(caller, driver, **body):
    return caller.put(f"/driver/{driver.pk}/state/", body)


def test_driver_begins_and_ends_the_shift(driver):
    problem(get(driver, driver), 404, "no_state")
    answer = put(driver, driver, state="available", lat=1.5, lon=2).json()
    assert answer == {
        "userId": driver.pk,
        "state": "available",
        "since": answer["since"],
        "trip": None,
        "vehicle_type": "",
    }
    assert get(driver, driver).json() == answer
    assert states.state_of(driver.pk).shift_began_at == [1.5, 2]
    assert put(driver, driver, state="non_operational").json()["state"] == "non_operational"


def test_state_set_again_is_no_change(driver):
    first = put(driver, driver, state="available")
    again = put(driver, driver, state="available")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert DriverStateChange.objects.count() == 1


@pytest.mark.parametrize("state", ["available", "non_operational", "reserved", "on_trip"])
def test_driver_sets_two_states_and_staff_all(staff, driver, state):
    own = state in ("available", "non_operational")
    assert put(driver, driver, state=state).status_code == (200 if own else 403)
    assert DriverState.objects.exists() == own
    DriverState.objects.all().delete()
    assert put(staff, driver, state=state).json()["state"] == state


def test_driver_does_not_set_the_vehicle_type(driver):
    refused = put(driver, driver, state="available", vehicle_type="van")
    problem(refused, 403, "permission_denied")
    assert not DriverState.objects.exists()


def test_staff_set_the_vehicle_type_and_a_reason(staff, driver):
    answer = put(staff, driver, state="available", vehicle_type="van", reason="phone call")
    assert answer.json()["vehicle_type"] == "van"
    change = DriverStateChange.objects.get()
    assert (change.reason, change.changed_by_id) == ("phone call", staff.pk)


def test_others_neither_see_nor_set_the_state(driver, rider):
    put(driver, driver, state="available")
    for caller in (rider, new_caller("driver"), new_caller("dispatcher", is_staff=True)):
        # The same as for a driver that does not exist.
        missing = caller.get("/driver/900019/state/")
        assert get(caller, driver).json() == missing.json()
        problem(missing, 403, "forbidden")
        problem(put(caller, driver, state="non_operational"), 403, "forbidden")
    assert states.state_of(driver.pk).state == "available"


@pytest.mark.parametrize(("held", "status"), [("view", (200, 403)), ("change", (403, 200))])
def test_staff_need_the_permission_that_the_admin_requires(driver, held, status):
    put(driver, driver, state="available")
    caller = new_caller("dispatcher")
    permitted(caller.pk, f"{held}_driverstate")
    found = get(caller, driver).status_code, put(caller, driver, state="available").status_code
    assert found == status


def test_user_who_is_no_driver_has_no_state(staff, rider):
    problem(get(rider, rider), 403, "forbidden")
    problem(put(rider, rider, state="available"), 403, "forbidden")
    for path in (f"/driver/{rider.pk}/state/", "/driver/900019/state/"):
        members = problem_members(staff.put(path, {"state": "available"}), 400)
        assert [error["pointer"] for error in members["errors"]] == ["#"]
        problem(staff.get(path), 404, "no_state")
    assert not DriverState.objects.exists()


def test_change_that_is_not_allowed_is_a_conflict(staff, driver):
    put(staff, driver, state="reserved")
    members = problem_members(put(staff, driver, state="non_operational"), 409)
    found = members["code"], members["state"], members["trip"]
    assert found == ("state_conflict", "reserved", None)


def test_driver_with_a_trip_keeps_the_state(staff, driver, rider):
    trip = trips.create(riders=[rider.pk], driver=driver.pk)
    assert get(driver, driver).json()["trip"] == trip.pk
    for caller in (driver, staff):
        members = problem_members(put(caller, driver, state="available"), 409)
        assert (members["code"], members["state"]) == ("state_conflict", "reserved")
        assert members["trip"] == trip.pk


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/state"),
        ({"state": "secret777123"}, "#/state"),
        ({"state": None}, "#/state"),
        ({"state": "available", "reason": "x" * 101}, "#/reason"),
        ({"state": "available", "vehicle_type": "x" * 51}, "#/vehicle_type"),
        ({"state": "available", "lat": 1}, "#"),
        ({"state": "available", "lat": "NaN", "lon": 1}, "#/lat"),
        ({"state": "available", "lat": True, "lon": 1}, "#/lat"),
        ({"state": "available", "lat": 1, "lon": 181}, "#/lon"),
        ({"state": "available", "lat": 1, "lon": "secret777123"}, "#/lon"),
        ({"state": "available", "status": "secret777123"}, "#"),
    ],
)
def test_invalid_state_is_refused_and_nothing_is_stored(staff, driver, body, pointer):
    response = put(staff, driver, **body)
    assert {error["pointer"] for error in problem_members(response, 400)["errors"]} == {pointer}
    assert "777123" not in response.content.decode()
    assert not DriverState.objects.exists()


def test_place_may_be_a_decimal_string(driver):
    put(driver, driver, state="available", lat="-2.3123", lon="2.4535")
    assert states.state_of(driver.pk).shift_began_at == [-2.3123, 2.4535]


def test_methods_that_do_not_exist_are_refused(driver):
    put(driver, driver, state="available")
    path = f"/driver/{driver.pk}/state/"
    for method in ("post", "patch", "delete"):
        response = getattr(driver.client, method)(path, content_type="application/json")
        problem(response, 405, "method_not_allowed")
    assert driver.client.head(path).status_code == 200
    assert driver.client.options(path)["Allow"] == "GET, PUT, HEAD, OPTIONS"
    form = driver.client.put(path, "state=available", content_type="text/plain")
    problem(form, 415, "unsupported_media_type")
