"""The tables and examples of docs/events.md."""

import base64
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace

import pytest
from django.db import transaction
from django.db.models import F
from django.dispatch import Signal
from django.test import RequestFactory
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from tracking import signals, states, trips
from tracking.models import Event, EventType

from ...documents import DOCS

TEXT = (DOCS / "events.md").read_text()
ROWS = re.findall(r"^\| `(\w+\.\w+)` \| [^|]+ \| (.+?) \|$", TEXT, re.M)
FACTS = {kind: re.findall(r"`(\w+)`", facts) for kind, facts in ROWS}
COUNT, VERIFY, BY_HAND, NOTIFY, SEND = re.findall(r"^```python\n(.+?)^```$", TEXT, re.M | re.S)
(BODY,) = map(json.loads, re.findall(r"^```json\n(.+?)^```$", TEXT, re.M | re.S))
OF_TRIP = ["trip", "reference", "driver", "sequence"]
SECRET = "whsec_" + base64.b64encode(b"a" * 24).decode()
ID = "019c13f3-7a00-7c3e-9a51-0d2b6f8e4a17"


@pytest.fixture
def occurred(monkeypatch):
    """Return a signal of its own, so that the receivers of the examples end with the test."""
    signal = Signal()
    monkeypatch.setattr(signals, "event_occurred", signal)
    return signal


class Rows(list):
    """Stands for the manager of a model of the host's."""

    def bulk_create(self, rows):
        self.extend(rows)

    def filter(self, **fields):
        return Rows(row for row in self if all(getattr(row, n) == v for n, v in fields.items()))

    select_for_update = order_by = lambda self, *names, **options: self


class Notification(SimpleNamespace):
    """Stands for a model of the host's."""

    sent_at = None

    def save(self, update_fields):
        assert update_fields == ["sent_at"]


@pytest.fixture
def rides(monkeypatch):
    """Return the log of what the host's `push` has sent. The host's app is `rides`."""
    log = []
    modules = {name: ModuleType(name) for name in ("rides", "rides.models", "rides.push")}
    monkeypatch.setattr(Notification, "objects", Rows(), raising=False)
    modules["rides.models"].Notification = Notification
    modules["rides.push"].send = lambda *facts, **options: log.append((*facts, options))
    modules["rides"].push = modules["rides.push"]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return log


def signed(body, *secrets, at=None):
    """Return the headers of a webhook, signed by the library."""
    at = at or datetime.now(UTC)
    signatures = [Webhook(secret).sign(ID, at, body.decode()) for secret in secrets]
    return {
        "webhook-id": ID,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def test_every_type_is_in_the_table():
    assert set(FACTS) == set(EventType.values)


@pytest.mark.django_db
def test_documented_facts_are_those_of_the_rows(django_user_model):
    driver = django_user_model.objects.create_user(email="driver@example.com", role="driver")
    trips.cancel(trips.create(driver=driver))
    states.set_state(driver, "non_operational")
    names = {event.type: list(event.data) for event in Event.objects.all()}
    assert names == {
        "trip.status_changed": OF_TRIP + FACTS["trip.status_changed"],
        "driver.state_changed": ["driver", *FACTS["driver.state_changed"]],
    }


def test_body_has_the_documented_members():
    assert list(BODY) == ["type", "timestamp", "data"]
    assert list(BODY["data"]) == OF_TRIP + FACTS[BODY["type"]]


def test_no_example_has_a_location():
    assert not re.search(r'"(lat|lon|latitude|longitude)"', TEXT)


def test_receiver_gets_the_events(occurred):
    updates = []

    def update(**fields):
        updates.append(fields)

    rows = SimpleNamespace(filter=lambda name: SimpleNamespace(update=update))
    exec(COUNT, {"Counter": SimpleNamespace(objects=rows), "F": F})
    for status in ("complete", "canceled"):
        event = Event(type="trip.status_changed", data={"status": status})
        assert [answer for _, answer in occurred.send(Event, event=event)] == [None]
    occurred.send(Event, event=Event(type="webhook.test", data={"endpoint": 3}))
    assert updates == [{"value": F("value") + 1}]


@pytest.mark.parametrize("secrets", [[SECRET], ["whsec_" + "b" * 32, SECRET]])
def test_genuine_webhook_is_recognized_by_hand(secrets):
    names = {}
    exec(BY_HAND, names)
    body = json.dumps(BODY).encode()
    headers = signed(body, *secrets)
    assert names["is_genuine"](SECRET, headers, body)
    assert not names["is_genuine"](SECRET, headers, body + b" ")
    assert not names["is_genuine"]("whsec_" + "c" * 32, headers, body)
    assert not names["is_genuine"](SECRET, headers | {"webhook-id": "another"}, body)
    old = datetime.now(UTC) - timedelta(minutes=6)
    assert not names["is_genuine"](SECRET, signed(body, SECRET, at=old), body)


def test_genuine_webhook_is_recognized_by_the_library_and_kept_once():
    kept = {}
    received = SimpleNamespace(
        objects=SimpleNamespace(get_or_create=lambda pk, defaults: kept.setdefault(pk, defaults))
    )
    names = {"SECRET": SECRET, "Received": received}
    exec(VERIFY, names)
    body = json.dumps(BODY).encode()

    def status(sent, headers):
        request = RequestFactory().post(
            "/tracking", sent, content_type="application/json", headers=headers
        )
        return names["tracking_webhook"](request).status_code

    headers = signed(body, SECRET)
    assert [status(body, headers) for _ in range(2)] == [204, 204]
    assert status(body + b" ", headers) == 400
    assert status(body, {}) == 400
    assert kept == {ID: {"event": BODY}}


@pytest.mark.django_db(transaction=True)
def test_event_becomes_one_notification_for_each_rider(occurred, rides, django_user_model):
    ada, bo = (
        django_user_model.objects.create_user(email=f"{name}@example.com") for name in ("ada", "bo")
    )
    trip = trips.create(riders=[ada, bo])
    exec(NOTIFY, {})
    names = {}
    exec(SEND, names)

    def happen(kind, ago=0, **facts):
        at = timezone.now() - timedelta(minutes=ago)
        occurred.send(Event, event=Event(type=kind, occurred_at=at, trip=trip, data=facts))

    happen("waypoint.arrived", waypoint="pickup")
    happen("waypoint.arrived", waypoint="dropoff")
    happen("trip.status_changed", status="complete")
    happen("waypoint.arriving", ago=6, waypoint="pickup")
    with transaction.atomic():
        names["send_notifications"]()
    names["send_notifications"]()
    assert [(user, text) for user, text, _ in rides] == [
        (ada, "Your driver is here."),
        (bo, "Your driver is here."),
    ]
    assert all(options["collapse_key"] == f"trip-{trip.pk}" for *_, options in rides)
    assert all(295 <= options["ttl"] <= 300 for *_, options in rides)
