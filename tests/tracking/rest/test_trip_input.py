"""Bodies and methods of the REST API of trips: what is refused, and how."""

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client

from tracking import trips
from tracking.models import Trip

from .callers import new_caller
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

PICKUP = {"kind": "pickup", "lat": 1, "lon": 0}
# For inputs that no error may quote.
SECRET = "secret777123"


@pytest.fixture
def staff(db):
    caller = new_caller("dispatcher")
    permitted(caller.pk, "view_trip", "add_trip", "change_trip")
    return caller


@pytest.fixture
def rider(db):
    return new_caller("rider")


@pytest.fixture
def trip(rider):
    return trips.create(riders=[rider.pk], reference="T-7")


def pointers(response):
    members = problem_members(response, 400)
    assert members["code"] == "invalid"
    return {error["pointer"] for error in members["errors"]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"riders": None}, "#/riders"),
        ({"riders": [900_019]}, "#/riders"),
        ({"riders": "x"}, "#/riders"),
        ({"riders": [1, "x"]}, "#/riders/1"),
        ({"riders": [2**70]}, "#/riders/0"),
        ({"waypoints": {}}, "#/waypoints"),
        ({"waypoints": [PICKUP] * 26}, "#/waypoints"),
        ({"waypoints": [PICKUP, 7]}, "#/waypoints/1"),
        ({"waypoints": [PICKUP, {"kind": "dropoff", "lat": 91, "lon": 0}]}, "#/waypoints/1"),
        ({"waypoints": [PICKUP | {"kind": "park"}]}, "#/waypoints/0"),
        ({"waypoints": [PICKUP | {"lat": "NaN"}]}, "#/waypoints/0"),
        ({"waypoints": [PICKUP | {"latitude": 1}]}, "#/waypoints/0"),
        ({"waypoints": [PICKUP | {"name": "\ud83d"}]}, "#/waypoints/0"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "#/ends_at"),
        ({"ends_at": "2999-01-01T00:00:00"}, "#/ends_at"),
        ({"reference": "x" * 101}, "#/reference"),
        ({"reference": "\0"}, "#/reference"),
        ({"reference": "\ud83d"}, "#/reference"),
        ({"vehicle": "x" * 201}, "#/vehicle"),
        ({"driver": 900_019}, "#/driver"),
        ({"driver": True}, "#/driver"),
        ({"drivers": 19}, "#"),
    ],
)
def test_invalid_trip_is_refused_and_nothing_is_stored(staff, rider, change, pointer):
    response = staff.post("/trips/", {"riders": [rider.pk], **change})
    assert pointers(response) == {pointer}
    assert not Trip.objects.exists()


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("assign", {}, "#/driver"),
        ("assign", {"driver": "x"}, "#/driver"),
        ("assign", {"driver": 900_019}, "#/driver"),
        ("assign", {"driver": None, "vehicle": "x" * 201}, "#/vehicle"),
        ("assign", {"driver": None, "status": "new"}, "#"),
        ("status", {}, "#/status"),
        ("status", {"status": "lost"}, "#/status"),
        ("complete", {"reason": "x" * 101}, "#/reason"),
        ("cancel", {"reason": None}, "#/reason"),
        ("cancel", {"reasons": "no show"}, "#"),
    ],
)
def test_invalid_change_is_refused_and_nothing_is_stored(staff, trip, action, body, pointer):
    assert pointers(staff.post(f"/trips/{trip.pk}/{action}/", body)) == {pointer}
    trip.refresh_from_db()
    assert (trip.status, trip.version) == ("new", 1)


def test_message_about_a_waypoint_says_what_is_right(staff):
    sent = {"riders": [], "waypoints": [PICKUP, PICKUP | {"lat": 91}]}
    members = problem_members(staff.post("/trips/", sent), 400)
    text = "lat must be between -90 and 90"
    assert members["errors"] == [{"detail": text, "pointer": "#/waypoints/1"}]
    assert members["detail"] == f"waypoints.1: {text}"


@pytest.mark.parametrize(
    "change",
    [
        {"riders": [SECRET]},
        {"driver": SECRET},
        {"waypoints": [PICKUP | {"kind": SECRET}]},
        {"waypoints": [PICKUP | {"lat": SECRET}]},
        {"waypoints": [PICKUP | {SECRET: 1}]},
        {"waypoints": [SECRET]},
        {"waypoints": [PICKUP | {"name": SECRET * 20}]},
        {"reference": SECRET * 20},
        {"ends_at": SECRET},
        {SECRET: 1},
    ],
)
def test_error_never_quotes_what_was_sent(staff, change):
    response = staff.post("/trips/", {"riders": [], **change})
    assert response.status_code == 400
    assert SECRET not in response.content.decode()


def test_unknown_status_is_not_quoted(staff, trip):
    response = staff.post(f"/trips/{trip.pk}/status/", {"status": SECRET})
    assert pointers(response) == {"#/status"}
    assert "Give one of: new, enroute_to_pickup," in response.json()["detail"]
    assert SECRET not in response.content.decode()
    assert SECRET not in staff.get("/trips/", {"status": SECRET}).content.decode()


@pytest.mark.parametrize("query", [{"driver": "x"}, {"rider": 2**70}, {"open": "maybe"}])
def test_filter_without_a_meaning_is_named(staff, query):
    (error,) = problem_members(staff.get("/trips/", query), 400)["errors"]
    assert error["parameter"] in query


@pytest.mark.parametrize("action", ["complete", "cancel"])
@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain"])
def test_end_needs_no_body(staff, trip, new_driver, action, content_type):
    trips.assign(trip, new_driver)
    response = staff.client.generic("POST", f"/trips/{trip.pk}/{action}/", b"", content_type)
    assert response.status_code == 200
    assert response.json()["ended_at"]


@pytest.fixture
def new_driver(db):
    return new_caller("driver").pk


@pytest.mark.parametrize(
    "body", ["[]", '"x"', "null", "{", '{"riders": 1e999}', "\xff", "[" * 9999]
)
def test_body_that_is_no_object_is_refused(staff, trip, body):
    for path in ("/trips/", f"/trips/{trip.pk}/status/"):
        response = staff.post(path, body.encode("latin-1"))
        assert problem_members(response, 400)["code"] in {"invalid", "parse_error"}


def test_body_that_is_no_json_is_refused(staff, trip):
    for path in ("/trips/", f"/trips/{trip.pk}/cancel/"):
        response = staff.client.post(path, {"reason": "x"}, content_type=f"text/{SECRET}")
        assert SECRET not in problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("pk", ["0", "x", str(2**70), "-1", "7 7"])
def test_trip_that_does_not_exist_is_missing(staff, pk):
    problem(staff.get(f"/trips/{pk}/"), 404, "not_found")
    for action in ("assign", "status", "complete", "cancel"):
        problem(staff.post(f"/trips/{pk}/{action}/"), 404, "not_found")


def test_methods_that_do_not_exist_are_refused(staff, trip):
    path = f"/trips/{trip.pk}/"
    for method, target in (
        ("put", path),
        ("patch", path),
        ("delete", path),
        ("delete", "/trips/"),
        ("get", f"{path}status/"),
        ("put", f"{path}cancel/"),
    ):
        response = getattr(staff.client, method)(target, content_type="application/json")
        problem(response, 405, "method_not_allowed")
    assert staff.client.head(path).status_code == 200
    assert staff.client.options(path)["Allow"] == "GET, HEAD, OPTIONS"
    assert Trip.objects.get().version == 1


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer a.b.c"])
def test_without_a_good_token_nothing_is_told(trip, header):
    client = Client(headers={"Authorization": header} if header else {})
    for method, path in (
        ("get", "/trips/"),
        ("get", f"/trips/{trip.pk}/"),
        ("get", f"/trips/{trip.pk + 1_000}/"),
        ("post", "/trips/"),
        ("post", f"/trips/{trip.pk}/cancel/"),
    ):
        response = getattr(client, method)(path)
        problem_members(response, 401)
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_web_session_reads_and_with_its_csrf_token_writes(trip):
    staff = get_user_model().objects.create_superuser(email="staff@example.com")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(staff)
    path = f"/trips/{trip.pk}/"
    assert browser.get(path).json()["reference"] == "T-7"
    assert "CSRF" in problem(browser.post(f"{path}cancel/"), 403, "permission_denied")
    browser.cookies["csrftoken"] = token = "t" * 32
    response = browser.post(
        f"{path}cancel/", content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert (response.status_code, response.json()["status"]) == (200, "canceled")


def test_unavailable_database_is_answered_503(staff, monkeypatch):
    def fail(**fields):
        raise OperationalError("could not connect to 192.0.2.1")

    monkeypatch.setattr(trips, "create", fail)
    response = staff.post("/trips/", {"riders": []})
    problem(response, 503, "unavailable")
    assert response["Retry-After"] == "5"
    assert "192.0.2.1" not in response.text


def test_requests_of_one_user_are_throttled(trip, rider, rates):
    rates(trips="3/min")
    calls = [rider.get("/trips/"), rider.get(f"/trips/{trip.pk}/"), rider.post("/trips/")]
    calls += [rider.get("/trips/"), rider.get(f"/driver/{rider.pk}/state/")]
    assert [call.status_code for call in calls] == [200, 200, 403, 429, 429]
    assert int(calls[-1]["Retry-After"]) > 0
