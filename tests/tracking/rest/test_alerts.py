"""Alerts over HTTP: polled, and acknowledged once."""

from datetime import UTC, datetime, timedelta

import pytest

from tracking import trips
from tracking.access_log import recent
from tracking.models import DriverAlert, LocationAccess

from .callers import new_caller
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def staff(database):
    recent.clear()
    caller = new_caller("dispatcher", name="Dora")
    permitted(caller.pk, "view_driverlocation", "view_trip", "change_trip")
    return caller


@pytest.fixture
def raised(staff):
    """Return a function that raises an alert of a new driver."""

    def raised(kind="silent", seconds=0, **fields):
        driver = new_caller("driver", name="Mia")
        trip = trips.create(riders=[new_caller("rider").pk], driver=driver.pk, reference="T-1")
        since = AT + timedelta(seconds=seconds)
        return DriverAlert.objects.create(
            kind=kind, driver_id=driver.pk, trip=trip, since=since, **fields
        )

    return raised


def ids(response):
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_alert_says_who_where_and_since_when(staff, raised):
    alert = raised(latitude=60.17, longitude=24.94)
    (row,) = staff.get("/fleet/alerts/").json()["results"]
    assert row == {
        "id": alert.pk,
        "kind": "silent",
        "driver": {"userId": alert.driver_id, "name": "Mia"},
        "trip": {"id": alert.trip_id, "reference": "T-1"},
        "since": "2026-11-28T12:00:00.000Z",
        "until": None,
        "location_lat": "60.17",
        "location_lon": "24.94",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "note": "",
    }
    assert list(LocationAccess.objects.values_list("way", "driver")) == [("list", alert.driver_id)]


def test_open_alerts_come_first_unacknowledged_and_then_newest(staff, raised):
    old, taken, new = raised(), raised(seconds=9, acknowledged_at=AT), raised(seconds=5)
    ended = raised(ended_at=AT)
    assert ids(staff.get("/fleet/alerts/")) == [new.pk, old.pk, taken.pk]
    assert ids(staff.get("/fleet/alerts/?open=true")) == [new.pk, old.pk, taken.pk]
    assert ids(staff.get("/fleet/alerts/?open=false")) == [ended.pk]
    assert ids(staff.get(f"/fleet/alerts/?driver={old.driver_id}")) == [old.pk]
    assert staff.get("/fleet/alerts/").json()["total"] == 3
    problem_members(staff.get("/fleet/alerts/?open=x"), 400)
    problem_members(staff.get("/fleet/alerts/?driver=x"), 400)


def test_unchanged_alerts_are_answered_304(staff, raised):
    alert = raised()
    etag = staff.get("/fleet/alerts/")["ETag"]
    same = staff.client.get("/fleet/alerts/", headers={"If-None-Match": etag})
    assert (same.status_code, same.content) == (304, b"")
    DriverAlert.objects.filter(pk=alert.pk).update(ended_at=AT)
    changed = staff.client.get("/fleet/alerts/", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.json() == {"results": [], "total": 0}


def test_second_dispatcher_gets_who_acknowledged(staff, raised):
    alert = raised()
    path = f"/fleet/alerts/{alert.pk}/acknowledge/"
    first = staff.post(path, {"note": "called him"}).json()
    assert first["acknowledged_by"] == {"userId": staff.pk, "name": "Dora"}
    assert (first["note"], first["acknowledged_at"] is None) == ("called him", False)
    other = new_caller("dispatcher", name="Otto")
    permitted(other.pk, "change_driveralert")
    again = other.post(path, {"note": "mine"})
    assert (again.status_code, again.json()) == (200, first)


def test_only_staff_who_may_change_trips_or_alerts_acknowledges(staff, raised):
    path = f"/fleet/alerts/{raised().pk}/acknowledge/"
    viewer = new_caller("dispatcher")
    permitted(viewer.pk, "view_driverlocation", "view_trip")
    assert len(ids(viewer.get("/fleet/alerts/"))) == 1
    problem(viewer.post(path), 403, "permission_denied")
    problem(new_caller("rider").post(path), 403, "forbidden")
    problem(staff.post("/fleet/alerts/999999/acknowledge/"), 404, "not_found")
    problem_members(staff.post(path, {"note": "x" * 201}), 400)
    problem_members(staff.post(path, {"notes": ""}), 400)
    assert DriverAlert.objects.get().acknowledged_at is None


def test_acknowledged_by_a_deleted_user_is_null(staff, raised):
    raised(acknowledged_at=AT, acknowledged_by_id=2**40)
    (row,) = staff.get("/fleet/alerts/").json()["results"]
    assert row["acknowledged_by"] is None
