"""`tracking_deliver --check`: fails if events wait, whatever is wrong."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tracking.ids import id_at
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def event(at, **fields):
    return Event.objects.create(id=id_at(at), type=EventType.ZONE_ENTERED, occurred_at=at, **fields)


def delivery(at, **fields):
    endpoint = WebhookEndpoint.objects.create(url="https://example.org/", secret="whsec_", **fields)
    return WebhookDelivery.objects.create(
        event=event(at, dispatched_at=at), endpoint=endpoint, created_at=at, next_attempt_at=at
    )


def check():
    """Return what the check says."""
    out = StringIO()
    call_command("tracking_deliver", "--check", stdout=out)
    return out.getvalue()


def test_what_waits_for_a_moment_is_right():
    assert check() == "Nothing has waited for more than 60 s.\n"
    event(ago(40))
    delivery(ago(50))
    assert "Nothing has waited" in check()
    assert WebhookDelivery.objects.get().claimed_until is None


def test_event_that_is_not_dispatched_fails():
    event(ago(90))
    event(ago(20))
    with pytest.raises(CommandError, match=r"^Events wait\. dispatch: 2, the oldest for 9\d s\."):
        check()


def test_delivery_that_is_not_sent_fails():
    delivery(ago(120))
    with pytest.raises(CommandError, match=r"^Events wait\. delivery: 1, the oldest for 12\d s\."):
        check()


def test_delivery_that_waits_for_its_receiver_is_right():
    delivery(ago(500), failing_since=ago(400))
    delivery(ago(300), disabled_at=ago(200))
    later = delivery(ago(100))
    WebhookDelivery.objects.filter(pk=later.pk).update(next_attempt_at=ago(-30))
    assert "Nothing has waited" in check()
