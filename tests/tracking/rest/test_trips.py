"""Trips over HTTP, for staff, riders and drivers."""

import pytest
from django.contrib.auth import get_user_model

from tracking import states, trips
from tracking.models import Trip, TripChange, WatchGrant

from .callers import new_caller
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

WAYPOINTS = [
    {"kind": "pickup", "lat": "-2.3123", "lon": 2.4535, "name": "12 Harbour Road"},
    {"kind": "dropoff", "lat": -2.3301, "lon": "2.4702"},
]


@pytest.fixture
def staff(db):
    caller = new_caller("dispatcher")
    permitted(caller.pk, "view_trip", "add_trip", "change_trip")
    return caller


@pytest.fixture
def rider(db):
    return new_caller("rider", name="Jonh")


@pytest.fixture
def driver(db):
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


def test_name_of_a_driver_is_never_a_log_in_name(rider):
    nameless = new_caller("driver")
    trip = trips.create(riders=[rider.pk], driver=nameless.pk)
    answer = rider.get(f"/trips/{trip.pk}/")
    assert answer.json()["driver"] == {"userId": nameless.pk, "name": None, "vehicle": ""}
    assert "@" not in answer.content.decode()


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


def test_of_two_dispatchers_who_saw_the_same_trip_the_second_is_told(staff, trip, driver):
    seen = staff.get(f"/trips/{trip.pk}/").json()["version"]
    path, other = f"/trips/{trip.pk}/assign/", new_caller("driver")
    assert staff.post(path, {"driver": driver.pk, "version": seen}).status_code == 200
    late = staff.post(path, {"driver": other.pk, "version": seen})
    assert late.status_code == 409
    members = late.json()
    assert (members["code"], members["version"]) == ("trip_changed", seen + 1)
    assert members["driver"] == driver.pk
    # What both wanted is no conflict.
    assert staff.post(path, {"driver": driver.pk, "version": seen}).status_code == 200
    assert staff.post(path, {"driver": other.pk, "version": seen + 1}).status_code == 200


def test_driver_off_duty_is_unavailable(staff, trip, driver):
    states.set_state(driver.pk, "non_operational")
    response = staff.post(f"/trips/{trip.pk}/assign/", {"driver": driver.pk})
    assert response.status_code == 409
    assert (response.json()["code"], response.json()["state"]) == (
        "driver_unavailable",
        "non_operational",
    )


def test_trip_of_others_is_like_a_missing_one(trip, driver):
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


def test_riders_of_a_shared_trip_do_not_see_each_other(staff, rider, driver):
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
    path = f"/trips/{trip.pk}/"
    back = driver.post(f"{path}status/", {"status": "arrived_at_pickup"})
    assert (back.status_code, back.json()["code"]) == (409, "status_conflict")
    for action, body in (
        ("status", {"status": "canceled"}),
        ("cancel", {}),
        ("assign", {"driver": None}),
        ("assign", {"driver": driver.pk, "vehicle": "van"}),
    ):
        assert driver.post(f"{path}{action}/", body).status_code == 403
    trip.refresh_from_db()
    assert (trip.status, trip.driver_id, trip.version) == ("enroute_to_dropoff", driver.pk, 3)


def test_driver_completes_its_trip(trip, driver):
    trips.assign(trip, driver.pk)
    path = f"/trips/{trip.pk}/complete/"
    done = driver.post(path, {"reason": "arrived"})
    assert (done.status_code, done.json()["status"]) == (200, "complete")
    change = TripChange.objects.latest("version")
    assert (change.reason, change.changed_by_id) == ("arrived", driver.pk)
    assert (driver.post(path).status_code, TripChange.objects.count()) == (200, 3)


@pytest.mark.parametrize("action", ["status", "complete"])
def test_driver_changes_nothing_once_another_one_has_the_trip(trip, driver, monkeypatch, action):
    """The trip is reassigned after the permission was checked, and before the change."""
    other, set_status = new_caller("driver"), trips.set_status
    trips.assign(trip, driver.pk)

    def set_status_later(*args, **kwargs):
        trips.assign(trip, other.pk)
        return set_status(*args, **kwargs)

    monkeypatch.setattr(trips, "set_status", set_status_later)
    body = {"status": "enroute_to_dropoff"} if action == "status" else {}
    late = driver.post(f"/trips/{trip.pk}/{action}/", body)
    assert (late.status_code, late.json()["code"]) == (409, "status_conflict")
    trip.refresh_from_db()
    assert (trip.status, trip.driver_id) == ("new", other.pk)
    assert driver.get(f"/trips/{trip.pk}/").status_code == 404


def test_trip_deleted_meanwhile_is_missing(staff, trip, monkeypatch):
    cancel = trips.cancel

    def cancel_later(*args, **kwargs):
        Trip.objects.all().delete()
        return cancel(*args, **kwargs)

    monkeypatch.setattr(trips, "cancel", cancel_later)
    assert staff.post(f"/trips/{trip.pk}/cancel/").status_code == 404


def test_repeated_call_is_no_change(staff, trip, driver):
    path = f"/trips/{trip.pk}/"
    for action, body in (
        ("assign", {"driver": driver.pk, "vehicle": "van"}),
        ("status", {"status": "arrived_at_pickup"}),
        ("assign", {"driver": driver.pk}),
        ("assign", {"driver": None}),
        ("cancel", {"reason": "no show"}),
    ):
        first = staff.post(f"{path}{action}/", body)
        again = staff.post(f"{path}{action}/", body)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json()
    assert TripChange.objects.count() == 5


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
    assert listed(driver=2**62) == []
    wrong = staff.get("/trips/", {"status": "lost"})
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["parameter"] == "status"


def test_filter_by_a_rider_does_not_tell_who_else_rides(staff, rider, driver):
    other = new_caller("rider")
    trips.create(riders=[rider.pk, other.pk], reference="shared", driver=driver.pk)
    trips.create(riders=[other.pk], reference="alone")

    def listed(caller, who):
        found = caller.get("/trips/", {"rider": who.pk}).json()["results"]
        return [each["reference"] for each in found]

    assert listed(rider, rider) == ["shared"]
    assert listed(rider, other) == []
    assert listed(driver, other) == ["shared"]
    assert listed(staff, other) == ["alone", "shared"]


def test_list_has_pages(staff):
    for number in range(3):
        trips.create(reference=str(number))
    first = staff.get("/trips/", {"page_size": 2}).json()
    assert [each["reference"] for each in first["results"]] == ["2", "1"]
    second = staff.get(first["next"]).json()
    assert [each["reference"] for each in second["results"]] == ["0"]
    assert second["next"] is None
    assert staff.get("/trips/", {"cursor": "x"}).status_code == 404


# Permissions of staff

CALLS = {
    "list": ("get", "/trips/", None),
    "retrieve": ("get", "{trip}", None),
    "create": ("post", "/trips/", {"riders": []}),
    "assign": ("post", "{trip}assign/", {"driver": None}),
    "status": ("post", "{trip}status/", {"status": "new"}),
    "complete": ("post", "{trip}complete/", {}),
    "cancel": ("post", "{trip}cancel/", {}),
}


@pytest.mark.parametrize("call", CALLS)
def test_staff_need_the_permission_that_the_admin_requires(trip, driver, call):
    method, path, body = CALLS[call]
    trips.assign(trip, driver.pk)
    path = path.format(trip=f"/trips/{trip.pk}/")
    wanted = {"list": "view", "retrieve": "view", "create": "add"}.get(call, "change")
    caller = new_caller("dispatcher")
    permitted(caller.pk, *{"view_trip", "add_trip", "change_trip"} - {f"{wanted}_trip"})
    refused = getattr(caller, method)(path, body)
    if call == "list":
        assert refused.json()["results"] == []
    else:
        assert refused.status_code == (404 if wanted == "view" else 403)
    permitted(caller.pk, "view_trip", f"{wanted}_trip")
    answer = getattr(caller, method)(path, body)
    assert answer.status_code == (201 if call == "create" else 200)
    assert call != "list" or len(answer.json()["results"]) == 1


def test_permissions_are_not_enough_for_a_user_who_is_not_staff(trip):
    caller = new_caller("rider")
    permitted(caller.pk, "view_trip", "add_trip", "change_trip")
    get_user_model().objects.filter(pk=caller.pk).update(is_staff=False)
    assert caller.get("/trips/").json()["results"] == []
    assert caller.get(f"/trips/{trip.pk}/").status_code == 404
    assert caller.post("/trips/", {"riders": []}).status_code == 403


def test_queries_of_the_list_do_not_grow(staff, rider, django_assert_max_num_queries):
    for number in range(10):
        trips.create(riders=[rider.pk], reference=str(number), driver=new_caller("driver").pk)
    with django_assert_max_num_queries(8):
        assert len(staff.get("/trips/").json()["results"]) == 10


def test_trips_that_wait_for_a_driver_are_listed_the_longest_waiting_first(staff, rider, driver):
    first, taken, last = (
        trips.create(riders=[rider.pk], driver=pk) for pk in (None, driver.pk, None)
    )
    canceled = trips.create(riders=[rider.pk])
    trips.cancel(canceled)

    def ids(**query):
        response = staff.get("/trips/", query)
        assert response.status_code == 200, response.content
        return [trip["id"] for trip in response.json()["results"]]

    assert ids(open="true", assigned="false", sort="oldest") == [first.pk, last.pk]
    assert ids(open="true", assigned="false") == [last.pk, first.pk]
    assert ids(assigned="true") == [taken.pk]
    assert ids(sort="newest", open="false") == [canceled.pk]
    page = staff.get("/trips/", {"sort": "oldest", "page_size": 1}).json()
    following = staff.get(page["next"].removeprefix("http://testserver")).json()
    assert [trip["id"] for trip in following["results"]] == [taken.pk]
    assert staff.get("/trips/", {"sort": "x"}).status_code == 400
    (own,) = driver.get("/trips/", {"open": "true"}).json()["results"]
    assert own["id"] == taken.pk
