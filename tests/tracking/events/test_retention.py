from datetime import timedelta

import pytest
from django.utils import timezone

from tracking.events import retention
from tracking.events.retention import purge
from tracking.ids import time_ordered_id
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def event(days, dispatched=True):
    at = NOW - timedelta(days=days)
    return Event.objects.create(
        id=time_ordered_id(int(at.timestamp() * 1000)),
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
