"""Visits that time changes: drivers who stay, also if their phones are silent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tracking import states
from tracking.arrival.sweep import sweep
from tracking.models import Event, Zone, ZoneVisit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@pytest.fixture
def depot(database):
    return Zone.objects.create(
        name="Depot", latitude=60.17, longitude=24.94, radius=100, dwell_after=600
    )


def visit(zone, driver, seconds):
    entered_at = timezone.now() - timedelta(seconds=seconds)
    return ZoneVisit.objects.create(zone=zone, driver=driver, entered_at=entered_at)


def happened():
    events = Event.objects.filter(type__startswith="zone.").order_by("id")
    return [(event.type, event.driver_id) for event in events]


def test_driver_that_stays_dwells_once(depot, new_user):
    stayed, came = new_user("driver"), new_user("driver")
    since = visit(depot, stayed, 601).entered_at
    visit(depot, came, 599)
    assert [sweep(), sweep()] == [1, 0]
    assert happened() == [("zone.dwelled", stayed.pk)]
    event = Event.objects.get(type="zone.dwelled")
    assert event.occurred_at == since + timedelta(seconds=600)
    assert event.data["name"] == "Depot"
    assert event.data["zone"] == depot.pk


def test_zone_without_a_time_is_never_dwelled_in(depot, new_user):
    other = Zone.objects.create(name="Airport", latitude=60.3, longitude=24.9, radius=500)
    visit(other, new_user("driver"), 10_000)
    assert sweep() == 0


def test_ended_visit_is_left_alone(depot, new_user):
    ended = visit(depot, new_user("driver"), 700)
    ZoneVisit.objects.filter(pk=ended.pk).update(exited_at=timezone.now())
    assert sweep() == 0


def test_driver_that_goes_off_duty_leaves_the_zone(depot, new_user):
    driver = new_user("driver")
    states.set_state(driver, "available")
    inside = visit(depot, driver, 60)
    assert sweep() == 0
    states.set_state(driver, "non_operational")
    assert [sweep(), sweep()] == [1, 0]
    assert happened() == [("zone.exited", driver.pk)]
    inside.refresh_from_db()
    assert inside.exited_at == states.state_of(driver).off_duty_from


def test_visit_to_a_zone_that_is_switched_off_ends_without_an_event(depot, new_user):
    visit(depot, new_user("driver"), 60)
    Zone.objects.update(is_active=False)
    assert [sweep(), sweep()] == [1, 0]
    assert happened() == []
    assert ZoneVisit.objects.get().exited_at is not None
