"""Trips over HTTP, for staff, riders and drivers."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.tokens import access_token_for
from tracking import states, trips
from tracking.models import Trip, WatchGrant

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()
WAYPOINTS = [
    {"kind": "pickup", "lat": "-2.3123", "lon": 2.4535, "name": "12 Harbour Road"},
    {"kind": "dropoff", "lat": -2.3301, "lon": "2.4702"},
]


class Caller:
    """Calls the API with one user's access token."""

    def __init__(self, user):
        self.client = Client(headers={"Authorization": f"Bearer {access_token_for(user)}"})

    def get(self, path, query=None):
        return self.client.get(path, query)

    def post(self, path, data=None):
        return self.client.post(path, {} if data is None else data, content_type="application/json")


@pytest.fixture
def new_caller():
    numbers = iter(range(1, 100))

    def new_caller(role, **fields):
        email = f"{role}{next(numbers)}@example.com"
        user = User.objects.create_user(email=email, role=role, **fields)
        caller = Caller(user)
        caller.pk = user.pk
        return caller

    return new_caller


@pytest.fixture
def staff(new_caller):
    staff = new_caller("dispatcher", is_staff=True)
    wanted = Permission.objects.filter(content_type__model="trip")
    User.objects.get(pk=staff.pk).user_permissions.set(wanted)
    return staff


@pytest.fixture
def rider(new_caller):
    return new_caller("rider", name="Jonh")


@pytest.fixture
def driver(new_caller):
    return new_caller("driver", name="Mia")


@pytest.fixture
def trip(rider):
    return trips.create(riders=[rider.pk], reference="T-7")


def test_dispatch_creates_a_trip(staff, rider, driver):
    body = {
        "reference": "T-7",
        "riders": [rider.pk],
        "driver": driver.pk,
        "waypoints": WAYPOINTS,
        "vehicle": "white Prius",
    }
    response = staff.post("/trips/", body)
    assert response.status_code == 201
    answer = response.json()
    stored = Trip.objects.get()
    assert answer == {
        "id": stored.pk,
        "reference": "T-7",
        "status": "new",
        "driver": {"userId": driver.pk, "name": "Mia", "vehicle": "white Prius"},
        "waypoints": [
            {"kind": "pickup", "lat": -2.3123, "lon": 2.4535, "name": "12 Harbour Road"},
            {"kind": "dropoff", "lat": -2.3301, "lon": 2.4702, "name": None},
        ],
        "eta": None,
        "route": None,
        "riders": [rider.pk],
        "created_at": answer["created_at"],
        "assigned_at": answer["created_at"],
        "ended_at": None,
        "ends_at": None,
        "version": 1,
    }
    assert stored.created_by_id == staff.pk
    assert WatchGrant.objects.get().opened_by_id == staff.pk
    assert staff.get(f"/trips/{stored.pk}/").json() == answer


def test_whole_life_over_http(staff, rider, driver):
    trip = staff.post("/trips/", {"riders": [rider.pk]}).json()["id"]
    assert staff.post(f"/trips/{trip}/assign/", {"driver": driver.pk}).status_code == 200
    for status in ("enroute_to_pickup", "arrived_at_pickup", "enroute_to_dropoff"):
        response = driver.post(f"/trips/{trip}/status/", {"status": status})
        assert response.status_code == 200
        assert response.json()["status"] == status
    assert rider.get(f"/trips/{trip}/").json()["status"] == "enroute_to_dropoff"
    assert driver.post(f"/trips/{trip}/status/", {"status": "complete"}).status_code == 200
    ended = rider.get(f"/trips/{trip}/").json()
    assert (ended["status"], ended["ended_at"] is None) == ("complete", False)
    # Again is no change.
    again = staff.post(f"/trips/{trip}/complete/")
    assert (again.status_code, again.json()["version"]) == (200, ended["version"])
    refused = staff.post(f"/trips/{trip}/cancel/")
    assert refused.status_code == 409
    assert refused.json()["code"] == "trip_over"


def test_driver_of_another_trip_is_taken(staff, trip, rider, driver):
    first = trips.create(riders=[rider.pk], reference="T-6", driver=driver.pk)
    response = staff.post(f"/trips/{trip.pk}/assign/", {"driver": driver.pk})
    assert response.status_code == 409
    members = response.json()
    assert members["code"] == "driver_taken"
    assert members["detail"] == f"Driver {driver.pk} has trip {first.pk} (T-6)."
    assert (members["driver"], members["trip"], members["reference"]) == (
        driver.pk,
        first.pk,
        "T-6",
    )


def test_driver_off_duty_is_unavailable(staff, trip, driver):
    states.set_state(driver.pk, "non_operational")
    response = staff.post(f"/trips/{trip.pk}/assign/", {"driver": driver.pk})
    assert response.status_code == 409
    assert (response.json()["code"], response.json()["state"]) == (
        "driver_unavailable",
        "non_operational",
    )


def test_trip_of_others_is_like_a_missing_one(trip, new_caller, driver):
    for stranger in (new_caller("rider"), driver):
        for call in (
            stranger.get(f"/trips/{trip.pk}/"),
            stranger.post(f"/trips/{trip.pk}/status/", {"status": "complete"}),
            stranger.post(f"/trips/{trip.pk}/assign/", {"driver": driver.pk}),
        ):
            assert call.status_code == 404
        missing = stranger.get(f"/trips/{trip.pk + 1_000}/").json()
        assert stranger.get(f"/trips/{trip.pk}/").json() == missing
        assert stranger.get("/trips/").json()["results"] == []


def test_rider_reads_and_changes_nothing(staff, trip, rider, driver):
    staff.post(f"/trips/{trip.pk}/assign/", {"driver": driver.pk})
    assert [each["id"] for each in rider.get("/trips/").json()["results"]] == [trip.pk]
    for path, body in (
        (f"/trips/{trip.pk}/status/", {"status": "complete"}),
        (f"/trips/{trip.pk}/cancel/", {}),
        (f"/trips/{trip.pk}/complete/", {}),
        (f"/trips/{trip.pk}/assign/", {"driver": None}),
        ("/trips/", {"riders": [rider.pk]}),
    ):
        assert rider.post(path, body).status_code == 403
    trip.refresh_from_db()
    assert (trip.status, trip.driver_id) == ("new", driver.pk)


def test_riders_of_a_shared_trip_do_not_see_each_other(staff, rider, new_caller, driver):
    other = new_caller("rider")
    trip = trips.create(riders=[rider.pk, other.pk], driver=driver.pk)
    path = f"/trips/{trip.pk}/"
    assert rider.get(path).json()["riders"] == [rider.pk]
    assert other.get(path).json()["riders"] == [other.pk]
    assert driver.get(path).json()["riders"] == [rider.pk, other.pk]
    assert staff.get(path).json()["riders"] == [rider.pk, other.pk]


def test_driver_moves_its_trip_forward_only(trip, driver):
    trips.assign(trip, driver.pk)
    trips.set_status(trip, "enroute_to_dropoff")
    back = driver.post(f"/trips/{trip.pk}/status/", {"status": "arrived_at_pickup"})
    assert (back.status_code, back.json()["code"]) == (409, "status_conflict")
    canceled = driver.post(f"/trips/{trip.pk}/status/", {"status": "canceled"})
    assert canceled.status_code == 403


def test_list_is_filtered(staff, rider, driver):
    ended = trips.create(riders=[rider.pk], reference="old")
    trips.cancel(ended)
    running = trips.create(riders=[rider.pk], reference="new", driver=driver.pk)
    trips.create(reference="other")

    def listed(**query):
        return [each["reference"] for each in staff.get("/trips/", query).json()["results"]]

    assert listed() == ["other", "new", "old"]
    assert listed(open="true", rider=rider.pk) == ["new"]
    assert listed(open="false") == ["old"]
    assert listed(status="canceled") == ["old"]
    assert listed(driver=driver.pk) == [running.reference]
    assert listed(reference="other") == ["other"]
    wrong = staff.get("/trips/", {"status": "lost"})
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["parameter"] == "status"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"riders": [900_019]}, "#/riders"),
        ({"riders": "x"}, "#/riders"),
        ({"waypoints": [{"kind": "pickup", "lat": 91, "lon": 0}]}, "#/waypoints"),
        ({"waypoints": [{"kind": "park", "lat": 1, "lon": 0}]}, "#/waypoints"),
        ({"waypoints": [{"kind": "pickup", "lat": "NaN", "lon": 0}]}, "#/waypoints"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "#/ends_at"),
        ({"ends_at": "2030-01-01T00:00:00"}, "#/ends_at"),
        ({"reference": "x" * 101}, "#/reference"),
        ({"driver": 900_019}, "#/driver"),
        ({"drivers": 19}, "#"),
    ],
)
def test_invalid_trip_is_refused_and_nothing_is_stored(staff, rider, change, pointer):
    response = staff.post("/trips/", {"riders": [rider.pk], **change})
    assert response.status_code == 400
    assert {error["pointer"].partition("/0")[0] for error in response.json()["errors"]} == {pointer}
    assert not Trip.objects.exists()


def test_queries_of_the_list_do_not_grow(staff, rider, new_caller, django_assert_max_num_queries):
    for number in range(10):
        trips.create(riders=[rider.pk], reference=str(number), driver=new_caller("driver").pk)
    with django_assert_max_num_queries(8):
        assert len(staff.get("/trips/").json()["results"]) == 10


# Drivers' states


@pytest.fixture
def manager(new_caller):
    manager = new_caller("dispatcher", is_staff=True)
    wanted = Permission.objects.filter(content_type__model="driverstate")
    User.objects.get(pk=manager.pk).user_permissions.set(wanted)
    return manager


def put(caller, driver, **body):
    path = f"/driver/{driver.pk}/state/"
    return caller.client.put(path, body, content_type="application/json")


def test_driver_begins_and_ends_the_shift(driver):
    path = f"/driver/{driver.pk}/state/"
    missing = driver.get(path)
    assert (missing.status_code, missing.json()["code"]) == (404, "no_state")
    answer = put(driver, driver, state="available", lat=1.5, lon=2).json()
    assert answer == {
        "userId": driver.pk,
        "state": "available",
        "since": answer["since"],
        "trip": None,
        "vehicle_type": "",
    }
    assert driver.get(path).json() == answer
    assert states.state_of(driver.pk).shift_began_at == [1.5, 2]
    assert put(driver, driver, state="non_operational").json()["state"] == "non_operational"


def test_driver_sets_neither_other_states_nor_the_vehicle(driver, new_caller):
    put(driver, driver, state="available")
    assert put(driver, driver, state="reserved").status_code == 403
    assert put(driver, driver, state="available", vehicle_type="van").status_code == 403
    assert put(new_caller("driver"), driver, state="available").status_code == 403
    assert new_caller("rider").get(f"/driver/{driver.pk}/state/").status_code == 403


def test_staff_set_every_state_that_is_allowed(manager, driver):
    assert put(manager, driver, state="available", vehicle_type="van").status_code == 200
    assert put(manager, driver, state="reserved", reason="phone call").status_code == 200
    refused = put(manager, driver, state="non_operational")
    assert refused.status_code == 409
    members = refused.json()
    assert (members["code"], members["state"], members["trip"]) == (
        "state_conflict",
        "reserved",
        None,
    )
    assert states.state_of(driver.pk).vehicle_type == "van"


def test_driver_with_a_trip_keeps_the_state(manager, driver, rider):
    trip = trips.create(riders=[rider.pk], driver=driver.pk)
    refused = put(driver, driver, state="available")
    assert (refused.status_code, refused.json()["trip"]) == (409, trip.pk)


def test_user_who_is_no_driver_has_no_state(manager, rider):
    response = put(manager, rider, state="available")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/driver"
