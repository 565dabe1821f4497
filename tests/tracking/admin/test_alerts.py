"""Alerts in the admin: read-only, but for acknowledging them."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model

from tracking.models import DriverAlert, Trip

from ..rest.staff import permitted

pytestmark = pytest.mark.django_db

LIST = "/admin/tracking/driveralert/"
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def alert():
    driver = get_user_model().objects.create_user(email="mia@example.com", name="Mia")
    trip = Trip.objects.create(driver=driver, created_at=AT, reference="T-7")
    return DriverAlert.objects.create(kind="off_route", driver=driver, trip=trip, since=AT)


@pytest.fixture
def staff(client):
    user = get_user_model().objects.create_user(email="staff@example.com", name="Dora")
    client.force_login(user)
    return user


def acknowledge(client, alert):
    data = {"action": "acknowledge_selected", "_selected_action": [alert.pk]}
    return client.post(LIST, data)


def test_list_names_the_condition_the_driver_and_the_trip(client, staff, alert):
    permitted(staff.pk, "view_driveralert", "view_trip")
    for query in ("", "?state=open", "?q=mia", "?q=T-7", "?kind__exact=off_route"):
        page = client.get(LIST + query).content.decode()
        assert "off the route" in page
        assert "Mia" in page
        assert f"/admin/tracking/trip/{alert.trip_id}/change/" in page
    assert "Mia" not in client.get(f"{LIST}?state=ended").content.decode()
    permitted(staff.pk, "view_driveralert")
    assert f"/trip/{alert.trip_id}/" not in client.get(LIST).content.decode()
    assert client.get(f"{LIST}add/").status_code == 403


def test_alert_is_acknowledged_once(client, staff, alert):
    permitted(staff.pk, "view_driveralert", "change_driveralert")
    assert acknowledge(client, alert).status_code == 302
    alert.refresh_from_db()
    assert (alert.acknowledged_by_id, alert.acknowledged_at is None) == (staff.pk, False)
    assert "Dora" in client.get(LIST).content.decode()
    first = alert.acknowledged_at
    acknowledge(client, alert)
    alert.refresh_from_db()
    assert alert.acknowledged_at == first


def test_only_who_may_change_trips_or_alerts_acknowledges(client, staff, alert):
    permitted(staff.pk, "view_driveralert")
    acknowledge(client, alert)
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
    permitted(staff.pk, "view_driveralert", "change_trip")
    acknowledge(client, alert)
    alert.refresh_from_db()
    assert alert.acknowledged_by_id == staff.pk
