from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from django.utils import timezone

from tracking.events import retention
from tracking.events.retention import purge, purge_visits
from tracking.ids import id_at
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint, Zone, ZoneVisit

pytestmark = pytest.mark.django_db

NOW = timezone.now()
_NUMBERS = count(1)


def event(days, dispatched=True):
    at = NOW - timedelta(days=days)
    return Event.objects.create(
        id=UUID(int=id_at(at).int + next(_NUMBERS)),
        type=EventType.ZONE_ENTERED,
        occurred_at=at,
        dispatched_at=at if dispatched else None,
    )


def deliver(event, endpoint, status):
    return WebhookDelivery.objects.create(
        event=event, endpoint=endpoint, status=status, created_at=NOW, next_attempt_at=NOW
    )


def test_old_events_are_deleted_with_their_deliveries_but_not_those_that_are_awaited():
    enabled = WebhookEndpoint.objects.create(url="https://example.com/")
    disabled = WebhookEndpoint.objects.create(url="https://example.com/", disabled_at=NOW)
    done, given_up = event(31), event(32)
    deliver(done, enabled, "delivered")
    deliver(done, disabled, "failed")
    deliver(given_up, disabled, "pending")
    new, waiting, awaited = event(29), event(33, dispatched=False), event(34)
    deliver(awaited, enabled, "pending")
    assert purge() == 2
    assert set(Event.objects.values_list("pk", flat=True)) == {new.pk, waiting.pk, awaited.pk}
    assert WebhookDelivery.objects.count() == 1
    assert purge() == 0


def test_batches_are_bounded(monkeypatch, settings):
    settings.TRACKING |= {"EVENT_DAYS": 1}
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    for _ in range(3):
        event(2)
    assert [purge(), purge(), purge()] == [2, 1, 0]


def test_old_visits_to_zones_are_deleted_but_not_those_that_go_on(driver, monkeypatch):
    zone = Zone.objects.create(name="Airport", latitude=60.3, longitude=24.9, radius=500)
    long_ago = NOW - timedelta(days=31)
    for exited_at in (long_ago, long_ago, NOW, None):
        ZoneVisit.objects.create(
            zone=zone, driver_id=driver, entered_at=long_ago, exited_at=exited_at
        )
    monkeypatch.setattr(retention, "BATCH_SIZE", 1)
    assert [purge_visits() for _ in range(3)] == [1, 1, 0]
    assert {visit.exited_at for visit in ZoneVisit.objects.all()} == {NOW, None}
