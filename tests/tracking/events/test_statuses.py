"""The events `driver.status_changed`: each change once, and none while nobody asks for them."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from tests.tracking.threads import together
from tracking.events.statuses import note_statuses
from tracking.models import DriverLocation, Event, WebhookEndpoint

from ..rows import drivers

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@pytest.fixture
def endpoint(database):
    return WebhookEndpoint.objects.create(
        url="https://example.com/", events=["driver.status_changed"], secret="whsec_"
    )


def heard(driver, seconds_ago):
    at = timezone.now() - timedelta(seconds=seconds_ago)
    DriverLocation.objects.update_or_create(
        driver_id=driver,
        defaults={"latitude": 1.5, "longitude": 2.5, "recorded_at": at, "received_at": at},
    )


def happened():
    events = Event.objects.filter(type="driver.status_changed").order_by("id")
    return [
        (event.driver_id, event.data["previous_status"], event.data["status"]) for event in events
    ]


def test_each_change_is_told_once(endpoint):
    one, two = drivers(2)
    for ago, expected in ((1, "live"), (20, "stale"), (100, "offline"), (2, "live")):
        heard(one, ago)
        before = happened()
        assert [note_statuses(), note_statuses()] == [1, 0]
        previous = before[-1][2] if before else "offline"
        assert happened() == [*before, (one, previous, expected)]
    heard(two, 1_000)
    assert note_statuses() == 0


def test_driver_off_duty_is_offline(endpoint):
    (one,) = drivers(1)
    heard(one, 1)
    note_statuses()
    DriverLocation.objects.all().delete()
    assert [note_statuses(), note_statuses()] == [1, 0]
    assert happened()[-1] == (one, "live", "offline")


def test_nothing_is_stored_while_no_endpoint_asks_for_it(endpoint):
    heard(*drivers(1), 1)
    WebhookEndpoint.objects.update(events=["waypoint.arrived"])
    assert note_statuses() == 0
    WebhookEndpoint.objects.update(events=["driver.status_changed"], disabled_at=timezone.now())
    assert note_statuses() == 0
    assert happened() == []


def test_two_processes_tell_a_change_once(database, endpoint):
    found = drivers(30)
    for ago in (1, 20):
        for driver in found:
            heard(driver, ago)
        results = together(database, *[partial(note_statuses)] * 2)
        assert all(isinstance(result, int) for result in results), results
    assert len(happened()) == 60
    assert len(set(happened())) == 60


def test_all_are_told_though_not_at_once(endpoint, monkeypatch):
    monkeypatch.setattr("tracking.events.statuses.BATCH_SIZE", 4)
    for driver in drivers(10):
        heard(driver, 1)
    assert [note_statuses() for _ in range(4)] == [4, 4, 2, 0]
    assert len(happened()) == 10
