"""Endpoints of webhooks in Python: their input, secrets, states, tests and repeated deliveries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tracking.arguments import InvalidArguments
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint
from tracking.webhooks import endpoints
from tracking.webhooks.targets import InvalidTarget

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/tracking"
ARRIVED = "waypoint.arrived"


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Return the log of checked addresses. Of the hosts, only private.example.com is refused."""
    log = []

    def check(url):
        log.append(url)
        if "private" in url:
            raise InvalidTarget("This address is private.")

    monkeypatch.setattr(endpoints, "check_url", check)
    return log


@pytest.fixture
def endpoint(checked):
    return endpoints.create(URL, [ARRIVED])[0]


@pytest.fixture
def delivery(endpoint):
    """Return a delivery that was given up."""
    now = timezone.now()
    event = Event.objects.create(type=ARRIVED, occurred_at=now, dispatched_at=now)
    return WebhookDelivery.objects.create(
        event=event, endpoint=endpoint, status="failed", attempts=10, created_at=now
    )


def reasons(function, *arguments, **options):
    with pytest.raises(endpoints.InvalidEndpoint) as caught:
        function(*arguments, **options)
    assert isinstance(caught.value, InvalidArguments)
    return caught.value.reasons


def stored(row):
    return type(row).objects.get(pk=row.pk)


def test_created_endpoint_is_stored_with_its_secret_and_its_author(checked, django_user_model):
    staff = django_user_model.objects.create_user(email="staff@example.com")
    endpoint, secret = endpoints.create(URL, [ARRIVED, "zone.entered"], "Dispatch", by=staff)
    row = stored(endpoint)
    assert (row.url, row.description, row.created_by_id) == (URL, "Dispatch", staff.pk)
    assert row.events == [ARRIVED, "zone.entered"]
    assert row.secret == secret
    assert secret.startswith("whsec_")
    assert (row.former_secret, row.disabled_at, row.failing_since) == ("", None, None)
    assert checked == [URL]


def test_each_endpoint_has_a_secret_of_its_own():
    assert len({endpoints.create(URL, [ARRIVED])[1] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], "Choose at least one type."),
        ([ARRIVED, "<script>"], "Choose among: waypoint.arriving, "),
        (["webhook.test"], "Choose among: waypoint.arriving, "),
        ([ARRIVED, ARRIVED], "Choose each type once."),
    ],
)
def test_invalid_types_are_refused(kinds, said):
    (text,) = reasons(endpoints.create, URL, kinds)["events"]
    assert text.startswith(said)
    assert "script" not in text
    assert "webhook.test" not in text


def test_every_type_but_the_test_may_be_chosen():
    endpoint, _ = endpoints.create(URL, endpoints.CHOICES)
    assert stored(endpoint).events == [kind for kind in EventType.values if kind != "webhook.test"]


def test_all_reasons_are_named_at_once():
    found = reasons(endpoints.create, "https://private.example.com/", [], "x" * 201)
    assert found == {
        "url": ["This address is private."],
        "events": ["Choose at least one type."],
        "description": ["Give at most 200 characters."],
    }


def test_address_too_long_or_with_a_null_character_is_not_looked_up(checked):
    assert "url" in reasons(endpoints.create, f"{URL}/{'x' * 2000}", [ARRIVED])
    assert "url" in reasons(endpoints.create, f"{URL}\0", [ARRIVED])
    assert checked == []


@pytest.mark.django_db(transaction=True)
def test_names_are_resolved_outside_of_a_transaction(monkeypatch):
    within = []
    monkeypatch.setattr(
        endpoints, "check_url", lambda url: within.append(connection.in_atomic_block)
    )
    endpoint, _ = endpoints.create(URL, [ARRIVED])
    endpoints.change(endpoint, url=f"{URL}/2")
    assert within == [False, False]


def test_change_writes_only_what_is_given(endpoint, checked):
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    checked.clear()
    endpoints.change(endpoint, description="Dispatch")
    endpoints.change(endpoint, events=["zone.entered"])
    row = stored(endpoint)
    assert (row.url, row.description, row.events) == (URL, "Dispatch", ["zone.entered"])
    # Which the deliverer wrote meanwhile.
    assert row.failing_since is not None
    assert checked == []


def test_failures_of_the_former_address_do_not_count_for_a_new_one(endpoint):
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    endpoints.change(stored(endpoint), url=URL)
    assert stored(endpoint).failing_since is not None
    endpoints.change(stored(endpoint), url=f"{URL}/2")
    assert stored(endpoint).failing_since is None


def test_refused_change_changes_nothing(endpoint):
    assert "url" in reasons(
        endpoints.change, endpoint, url="https://private.example.com/", description="new"
    )
    assert (stored(endpoint).url, stored(endpoint).description) == (URL, "")


def test_rotated_secret_leaves_the_former_one_valid_for_a_day(endpoint):
    former = endpoint.secret
    before = timezone.now()
    secret = endpoints.rotate_secret(endpoint)
    row = stored(endpoint)
    assert (row.secret, row.former_secret) == (secret, former)
    assert secret != former
    assert timedelta(0) <= row.former_secret_until - before - timedelta(hours=24) < timedelta(0, 5)


def test_secret_that_another_one_rotated_meanwhile_is_the_former_one(endpoint):
    mine = stored(endpoint)
    theirs = endpoints.rotate_secret(stored(endpoint))
    endpoints.rotate_secret(mine)
    assert stored(endpoint).former_secret == theirs


def test_disabled_endpoint_says_since_when_and_why(endpoint):
    endpoints.disable(endpoint)
    at = stored(endpoint).disabled_at
    assert at is not None
    assert stored(endpoint).disabled_reason == "staff"
    endpoints.disable(stored(endpoint))
    assert stored(endpoint).disabled_at == at


def test_enabled_endpoint_starts_without_failures(endpoint):
    now = timezone.now()
    WebhookEndpoint.objects.update(
        disabled_at=now, disabled_reason="failing", failing_since=now - timedelta(days=5)
    )
    endpoints.enable(stored(endpoint))
    row = stored(endpoint)
    assert (row.disabled_at, row.disabled_reason, row.failing_since) == (None, "", None)


def test_deleted_endpoint_takes_its_deliveries_but_no_event(endpoint, delivery):
    endpoints.delete(endpoint)
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert Event.objects.exists()


def test_test_event_goes_to_this_endpoint_alone(endpoint):
    endpoints.create(URL, [ARRIVED])
    delivery = stored(endpoints.send_test(endpoint))
    event = Event.objects.get()
    assert (event.type, event.driver_id, event.trip_id) == ("webhook.test", None, None)
    assert event.data == {"endpoint": endpoint.pk}
    # So no other process makes deliveries of it.
    assert event.dispatched_at is not None
    assert (delivery.event_id, delivery.endpoint_id) == (event.pk, endpoint.pk)
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    assert delivery.next_attempt_at <= timezone.now()


def test_repeated_delivery_is_due_now_with_all_its_attempts(delivery):
    event_id = delivery.event_id
    row = endpoints.redeliver(delivery)
    assert stored(row).event_id == event_id
    assert (stored(row).status, stored(row).attempts) == ("pending", 0)
    assert stored(row).next_attempt_at <= timezone.now()


def test_delivery_that_a_process_works_on_stays_as_it_is(delivery):
    soon = timezone.now() + timedelta(seconds=30)
    WebhookDelivery.objects.update(status="pending", next_attempt_at=soon, claimed_until=soon)
    endpoints.redeliver(delivery)
    row = stored(delivery)
    assert (row.attempts, row.next_attempt_at, row.claimed_until) == (10, soon, soon)


def test_abandoned_claim_ends_with_a_repeated_delivery(delivery):
    past = timezone.now() - timedelta(seconds=1)
    WebhookDelivery.objects.update(status="pending", next_attempt_at=past, claimed_until=past)
    assert endpoints.redeliver(delivery).claimed_until is None


def test_nothing_is_delivered_to_a_disabled_endpoint(endpoint, delivery):
    endpoints.disable(endpoint)
    # As another process sees it.
    endpoint.disabled_at = None
    for attempt in (lambda: endpoints.send_test(endpoint), lambda: endpoints.redeliver(delivery)):
        with pytest.raises(endpoints.EndpointDisabled, match="disabled: enable it first"):
            attempt()
    assert stored(delivery).status == "failed"
    assert Event.objects.count() == 1
