"""The pages that replay the past: who may open them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from tracking.models import Trip, TripAssignment, WatchGrant

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 30, 6, tzinfo=UTC)


def user(name, **fields):
    return get_user_model().objects.create_user(email=f"{name}@example.org", name=name, **fields)


@pytest.fixture
def driver():
    return user("driver", role="driver")


@pytest.fixture
def historian():
    """Staff with the permission to view the history."""
    staff = user("historian", role="dispatcher", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_historyfix"))
    return staff


@pytest.fixture
def trip(driver):
    trip = Trip.objects.create(
        status="complete", created_at=START, ended_at=START + timedelta(minutes=10)
    )
    TripAssignment.objects.create(
        trip=trip, driver=driver, since=START, until=START + timedelta(minutes=10)
    )
    return trip


def test_driver_and_staff_with_the_permission_replay_a_day(client, driver, historian):
    path = f"/driver/{driver.pk}/replay/?date=2026-03-30&tz=Europe/Helsinki"
    for viewer in (driver, historian):
        client.force_login(viewer)
        page = client.get(path)
        assert page.status_code == 200
        assert b'data-date="2026-03-30"' in page.content
        assert b'data-zone="Europe/Helsinki"' in page.content


def test_others_replay_no_day(client, driver):
    for viewer in (user("rider", role="rider"), user("staff", role="dispatcher", is_staff=True)):
        client.force_login(viewer)
        assert client.get(f"/driver/{driver.pk}/replay/").status_code == 403
    client.logout()
    assert client.get(f"/driver/{driver.pk}/replay/").status_code == 302


def test_day_of_nobody_is_not_found_and_a_bad_date_is_today(client, driver, historian):
    client.force_login(historian)
    assert client.get("/driver/999999/replay/").status_code == 404
    page = client.get(f"/driver/{driver.pk}/replay/?date=tomorrow&tz=Nowhere")
    assert b'data-date=""' in page.content
    assert b'data-zone=""' in page.content


def test_rider_gets_the_window_of_the_own_grant(client, driver, trip):
    rider = user("rider", role="rider")
    trip.riders.add(rider)
    since, until = START + timedelta(minutes=2), START + timedelta(minutes=4)
    WatchGrant.objects.create(
        trip=trip, driver=driver, watcher=rider, starts_at=since, ends_at=until
    )
    client.force_login(rider)
    page = client.get(f"/trips/{trip.pk}/replay/").content.decode()
    assert f'data-since="{since.isoformat()}" data-until="{until.isoformat()}"' in page
    assert "Your trip, replayed" in page


def test_trip_is_there_for_its_driver_and_staff_and_for_nobody_else(
    client, driver, historian, trip
):
    for viewer in (driver, historian):
        client.force_login(viewer)
        assert client.get(f"/trips/{trip.pk}/replay/").status_code == 200
    client.force_login(user("stranger", role="rider"))
    assert client.get(f"/trips/{trip.pk}/replay/").status_code == 404
    assert client.get("/trips/999999/replay/").status_code == 404


def test_fleet_is_replayed_by_staff_with_the_permission(client, driver, historian):
    client.force_login(historian)
    page = client.get("/fleet/replay/?time=2026-03-30T06:00:00Z")
    assert b'data-time="2026-03-30T06:00:00+00:00"' in page.content
    assert b'data-time=""' in client.get("/fleet/replay/?time=noon").content
    client.force_login(driver)
    assert client.get("/fleet/replay/").status_code == 403
