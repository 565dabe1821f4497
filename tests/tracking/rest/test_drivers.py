"""The dispatcher's list of drivers, its filters, and a driver's panel."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tracking import states, trips
from tracking.access_log import recent
from tracking.arrival.effects import Crossed, Reached
from tracking.arrival.rows import store as store_effects
from tracking.history.fixes import TrackFix
from tracking.models import (
    DriverAlert,
    DriverLocation,
    DriverState,
    LocationAccess,
    Trip,
    Zone,
    ZoneVisit,
)

from ..history.tracks import keep_hot
from .callers import new_caller
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

FLEET = ("view_driverlocation", "view_trip", "view_historyfix")
PLACES = [
    {"kind": "pickup", "lat": 60.17, "lon": 24.94, "name": "12 Harbour Road"},
    {"kind": "dropoff", "lat": 60.2, "lon": 24.9},
]
# It is still yesterday in the west.
NOW = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)


@pytest.fixture
def staff(database):
    recent.clear()
    caller = new_caller("dispatcher")
    permitted(caller.pk, *FLEET)
    return caller


def new_driver(name, state=None, waiting=0, kind="", **location):
    user = get_user_model().objects.create_user(
        email=f"{name.lower()}@example.com", role="driver", name=name
    )
    now = timezone.now()
    if state:
        since = now - timedelta(seconds=waiting)
        DriverState.objects.create(driver=user, state=state, since=since, vehicle_type=kind)
    if location:
        at = now - timedelta(seconds=location.get("age", 0))
        place = {"latitude": 60.17, "longitude": 24.94, "recorded_at": at, "received_at": at}
        DriverLocation.objects.create(driver=user, **place)
    return user


@pytest.fixture
def fleet(staff):
    """Return drivers of each state by name, in no order."""
    made = [
        new_driver("Bo", "available", 60, "van", age=0),
        new_driver("Ann", "non_operational", 500),
        new_driver("Eve", age=20),
        new_driver("Dan", "available", 900, "car", age=70),
        new_driver("cid", "on_trip", 30, "car", age=1),
        new_driver("Fay", "reserved", 40, "car", age=1),
    ]
    get_user_model().objects.create_user(email="rider@example.com", name="Rider")
    return {user.name: user for user in made}


def names(response):
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


LISTS = [
    ({}, "cid Fay Dan Bo Ann Eve"),
    ({"sort": "state"}, "cid Fay Dan Bo Ann Eve"),
    ({"sort": "waiting"}, "Dan Bo cid Fay Ann Eve"),
    ({"sort": "name"}, "Ann Bo cid Dan Eve Fay"),
    ({"state": "available"}, "Dan Bo"),
    ({"status": "live"}, "cid Fay Bo"),
    ({"status": "stale"}, "Eve"),
    ({"status": "offline"}, "Dan"),
    ({"status": "unknown"}, "Ann"),
    ({"vehicle_type": "car", "status": "live"}, "cid Fay"),
    ({"search": "EVE"}, "Eve"),
    ({"search": "example.com", "state": "reserved"}, "Fay"),
    ({"search": "nobody"}, ""),
]


def test_drivers_are_sorted_and_filtered(staff, fleet, rates):
    rates(location_read="100/s")
    for query, found in LISTS:
        response = staff.get("/fleet/drivers/", query)
        assert names(response) == found.split(), query
        assert response.json()["total"] == len(found.split())
        assert response.json()["next"] is None
        assert response["Cache-Control"] == "no-store"


def test_row_says_what_the_console_shows(staff, fleet):
    driver = fleet["Bo"]
    trips.create(riders=[new_caller("rider").pk], driver=driver.pk, reference="T-1")
    zone = Zone.objects.create(name="Depot", latitude=60.17, longitude=24.94, radius=100)
    ZoneVisit.objects.create(zone=zone, driver=driver, entered_at=timezone.now())
    at = DriverLocation.objects.get(pk=driver.pk).recorded_at
    keep_hot(driver.pk, [TrackFix(at, at, 60.0, 24.0, battery=17, charging=False)])
    (row,) = staff.get("/fleet/drivers/", {"zone": zone.pk}).json()["results"]
    state = DriverState.objects.get(pk=driver.pk)
    trip = row.pop("trip")
    assert (trip["reference"], trip["status"]) == ("T-1", "new")
    assert row == {
        "userId": driver.pk,
        "name": "Bo",
        "state": "reserved",
        "since": state.since.isoformat("T", "milliseconds").replace("+00:00", "Z"),
        "status": "live",
        "vehicle_type": "van",
        "zones": [{"id": zone.pk, "name": "Depot"}],
        "battery": 17,
        "charging": False,
        "recorded_at": at.isoformat("T", "milliseconds").replace("+00:00", "Z"),
        "location_lat": "60.17",
        "location_lon": "24.94",
    }
    assert LocationAccess.objects.get().way == "list"
    get_user_model().objects.get(pk=staff.pk).user_permissions.clear()
    permitted(staff.pk, "view_driverlocation")
    (row,) = staff.get("/fleet/drivers/", {"zone": zone.pk}).json()["results"]
    assert row["trip"] is None


def test_pages_lead_through_all_drivers_once(staff, fleet, rates):
    rates(location_read="100/s")
    for sort in ("state", "waiting", "name"):
        everybody = names(staff.get("/fleet/drivers/", {"sort": sort}))
        seen, query = [], {"sort": sort, "limit": 2}
        for _ in range(3):
            page = staff.get("/fleet/drivers/", query)
            seen += names(page)
            assert page.json()["total"] == 6
            query["after"] = page.json()["next"]
        assert query["after"] is None
        assert seen == everybody


def test_driver_that_changes_moves_no_other_to_another_page(staff, fleet):
    page = staff.get("/fleet/drivers/", {"limit": 3})
    assert names(page) == ["cid", "Fay", "Dan"]
    states.set_state(fleet["Ann"], "available")
    states.set_state(fleet["Dan"], "non_operational")
    page = staff.get("/fleet/drivers/", {"limit": 9, "after": page.json()["next"]})
    assert names(page) == ["Bo", "Ann", "Dan", "Eve"]


def queries_of(call):
    with CaptureQueriesContext(connections[DriverState.objects.db]) as queries:
        assert call().status_code == 200
    return len(queries)


def test_queries_do_not_grow_with_the_drivers(staff, fleet):
    def call():
        return staff.get("/fleet/drivers/", {"limit": 3})

    call()  # the look is recorded once
    before = queries_of(call)
    # The user, two of permissions, the page, the number, zones, trips and batteries.
    assert before == 8
    for number in range(20):
        new_driver(f"driver{number}", "available", number, age=1)
    assert queries_of(lambda: staff.get("/fleet/drivers/")) <= before


INVALID = [
    {"state": "x"},
    {"status": "x"},
    {"sort": "x"},
    {"zone": "x"},
    {"limit": 0},
    {"limit": 501},
    {"after": "x"},
    {"after": "W10"},
    {"after": "WzEsMl0"},
    {"search": "\0"},
    {"unknown": 1},
]


def test_parameter_that_means_nothing_is_answered_400(staff, rates):
    rates(location_read="100/s")
    for query in INVALID:
        problem_members(staff.get("/fleet/drivers/", query), 400)


def test_page_of_another_order_is_answered_400(staff, fleet):
    after = staff.get("/fleet/drivers/", {"limit": 1, "sort": "name"}).json()["next"]
    problem_members(staff.get("/fleet/drivers/", {"after": after}), 400)


def test_only_staff_who_may_see_locations_asks(db):
    caller = new_caller("rider")
    for _ in range(2):
        for path in ("drivers/", "filters/", "drivers/1/", "alerts/"):
            problem(caller.get(f"/fleet/{path}"), 403, "forbidden")
        permitted(caller.pk)


def test_filters_are_the_vehicle_types_and_the_active_zones(staff, fleet):
    for name in ("Town", "Airport", "Old"):
        Zone.objects.create(
            name=name, latitude=60, longitude=24, radius=100, is_active=name != "Old"
        )
    answer = staff.get("/fleet/filters/").json()
    assert answer["vehicle_types"] == ["car", "van"]
    assert [zone["name"] for zone in answer["zones"]] == ["Airport", "Town"]


def test_panel_says_what_happened_today(staff, fleet, settings):
    driver, rider = fleet["Ann"], new_caller("rider", name="Rita")
    states.set_state(driver, "available", reason="shift")
    trip = trips.create(riders=[rider.pk], driver=driver.pk, reference="T-9", waypoints=PLACES)
    alert = DriverAlert.objects.create(
        kind="silent", driver=driver, trip=trip, since=timezone.now()
    )
    now = timezone.now()
    keep_hot(
        driver.pk,
        [
            TrackFix(now - timedelta(seconds=number), now, 60.17, 24.94, speed=7.5)
            for number in range(25)
        ],
    )
    DriverAlert.objects.filter(pk=alert.pk).update(ended_at=timezone.now())
    zone = Zone.objects.create(name="Depot", latitude=60.17, longitude=24.94, radius=100)
    at = timezone.now()
    reached, crossed = Reached(trip.pk, 0, "arrived", at), Crossed(zone.pk, entered=True, at=at)
    with transaction.atomic(using=Trip.objects.db):
        store_effects({driver.pk: [reached, crossed]})
    panel = staff.get(f"/fleet/drivers/{driver.pk}/").json()
    (row,) = staff.get("/fleet/drivers/", {"search": "ann@"}).json()["results"]
    assert row.items() <= panel.items()
    (found,) = panel["trips"]
    assert (found["reference"], found["ended"], found["riders"]) == ("T-9", None, ["Rita"])
    assert found["status"] == "new"
    kinds = [(each["kind"], each.get("step") or each.get("state")) for each in panel["timeline"]]
    assert set(kinds[:2]) == {("waypoint", "arrived"), ("zone", "entered")}
    assert kinds[2:4] == [("alert", "ended"), ("alert", "raised")]
    by_kind = {each["kind"]: each for each in panel["timeline"]}
    assert by_kind["zone"]["zone"] == {"id": zone.pk, "name": "Depot"}
    assert by_kind["waypoint"]["name"] == "12 Harbour Road"
    assert by_kind["waypoint"]["trip"] == {"id": trip.pk, "reference": "T-9"}
    assert ("state", "available") in kinds
    assert ("state", "reserved") in kinds
    assert "trip" in {kind for kind, _ in kinds}
    times = [each["at"] for each in panel["timeline"]]
    assert times == sorted(times, reverse=True)
    assert len(panel["fixes"]) == 20
    assert panel["fixes"][0]["location_lat"] == "60.17"
    assert panel["fixes"][0]["speed"] == 7.5
    assert panel["page"] == reverse("admin:tracking_driverstate_change", args=[driver.pk])
    settings.TRACKING = settings.TRACKING | {"DRIVER_PAGE": "/staff/drivers/{id}/"}
    panel = staff.get(f"/fleet/drivers/{driver.pk}/").json()
    assert panel["page"] == f"/staff/drivers/{driver.pk}/"
    assert set(LocationAccess.objects.values_list("way", "driver")) == {
        ("list", None),
        ("rest", driver.pk),
        ("track", driver.pk),
    }


def test_panel_without_permissions_for_trips_and_history_has_neither(staff, fleet):
    driver = fleet["Ann"]
    states.set_state(driver, "available")
    trips.create(riders=[new_caller("rider").pk], driver=driver.pk)
    permitted(staff.pk, "view_driverlocation")
    panel = staff.get(f"/fleet/drivers/{driver.pk}/").json()
    assert (panel["trips"], panel["fixes"], panel["trip"]) == ([], [], None)
    assert {each["kind"] for each in panel["timeline"]} == {"state"}
    assert {each["trip"] for each in panel["timeline"]} == {None}


def test_today_is_the_day_of_the_time_zone(staff, fleet, monkeypatch):
    driver = fleet["Ann"]
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: NOW - timedelta(hours=4))
        states.set_state(driver, "available")
    monkeypatch.setattr("tracking.rest.driver_panel.timezone.now", lambda: NOW)
    assert staff.get(f"/fleet/drivers/{driver.pk}/").json()["timeline"] == []
    query = {"time_zone": "America/Sao_Paulo"}
    (item,) = staff.get(f"/fleet/drivers/{driver.pk}/", query).json()["timeline"]
    assert item == {
        "at": "2026-11-27T22:30:00.000Z",
        "kind": "state",
        "state": "available",
        "previous": "non_operational",
        "reason": "service_start",
        "trip": None,
    }
    problem_members(staff.get(f"/fleet/drivers/{driver.pk}/", {"time_zone": "Mars"}), 400)


def test_whoever_got_a_trip_has_a_panel_and_others_have_none(staff):
    rider, driver = new_caller("rider"), new_caller("driver")
    problem(staff.get(f"/fleet/drivers/{rider.pk}/"), 404, "no_driver")
    problem(staff.get(f"/fleet/drivers/{2**64}/"), 404, "no_driver")
    trips.create(riders=[rider.pk], driver=driver.pk)
    panel = staff.get(f"/fleet/drivers/{driver.pk}/").json()
    assert (panel["state"], panel["status"]) == ("reserved", "unknown")


def test_matches_are_the_ids_of_the_same_filters(staff, fleet, rates):
    rates(location_read="100/s")
    for query, found in LISTS:
        if "sort" in query:
            continue
        answer = staff.get("/fleet/matches/", query)
        assert set(answer.json()["ids"]) == {fleet[name].pk for name in found.split()}, query
    again = staff.client.get("/fleet/matches/", query, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    assert staff.get("/fleet/matches/", {"limit": 2}).status_code == 400


def test_matches_are_for_staff(database):
    assert new_caller("rider").get("/fleet/matches/").status_code == 403
