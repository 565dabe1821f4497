"""The calls and the examples of webhooks in docs/rest.md."""

import json
import re

import pytest
from django.utils import timezone

from tracking.models import Event, WebhookDelivery
from tracking.webhooks import endpoints

from ...documents import DOCS
from .callers import new_caller
from .staff import permitted

pytestmark = pytest.mark.django_db

TEXT = (DOCS / "rest.md").read_text().partition("\n## Webhooks")[2].partition("\n## Errors")[0]
BODY, ENDPOINT, DELIVERY = map(json.loads, re.findall(r"^```json\n(.+?)^```$", TEXT, re.M | re.S))
ROWS = re.findall(r"^\| (`.+?) \| `(\w+)` \|", TEXT, re.M)
CALLS = [
    (*call, permission)
    for calls, permission in ROWS
    for call in re.findall(r"`(GET|POST|PATCH|DELETE) (/[^` ]*)`", calls)
]


@pytest.fixture(autouse=True)
def _known_hosts(monkeypatch):
    monkeypatch.setattr(endpoints, "check_url", lambda url: None)


@pytest.fixture
def delivery(db):
    now = timezone.now()
    endpoint, _ = endpoints.create(**BODY)
    event = Event.objects.create(type="waypoint.arrived", occurred_at=now, dispatched_at=now)
    return WebhookDelivery.objects.create(
        event=event,
        endpoint=endpoint,
        status="failed",
        attempts=10,
        created_at=now,
        last_attempt_at=now,
        status_code=500,
        duration=0.25,
        answer="Internal Server Error",
    )


def test_there_are_calls():
    assert len(CALLS) == 11


@pytest.mark.parametrize(("method", "path", "permission"), CALLS)
def test_documented_call_needs_the_documented_permission(delivery, method, path, permission):
    caller = new_caller("dispatcher")
    permitted(caller.pk, permission)
    path = path.replace("/3/", f"/{delivery.endpoint_id}/").replace("/8/", f"/{delivery.pk}/")
    body = BODY if (method, path) == ("POST", "/webhooks/") or method == "PATCH" else None
    send = getattr(caller.client, method.lower())
    arguments = {} if method == "GET" else {"data": body, "content_type": "application/json"}
    assert send(path, **arguments).status_code in (200, 201, 204)


def test_documented_answers_are_what_is_sent(delivery):
    caller = new_caller("dispatcher")
    permitted(caller.pk, "add_webhookendpoint", "view_webhookdelivery")
    endpoint = caller.post("/webhooks/", BODY).json()
    assert list(endpoint) == list(ENDPOINT)
    unlike = ("id", "created_at", "created_by", "secret")
    assert {**endpoint, **{name: ENDPOINT[name] for name in unlike}} == ENDPOINT
    assert len(endpoint["secret"]) == len(ENDPOINT["secret"])
    path = f"/webhooks/{delivery.endpoint_id}/deliveries/"
    (found,) = caller.get(path).json()["results"]
    assert list(found) == list(DELIVERY)
    unlike = ("id", "event", "created_at", "last_attempt_at")
    assert {**found, **{name: DELIVERY[name] for name in unlike}} == DELIVERY
