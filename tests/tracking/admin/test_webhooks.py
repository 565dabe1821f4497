"""Webhook endpoints, their deliveries and events in the admin."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.utils import timezone

from tracking import trips
from tracking.models import Event, WebhookDelivery, WebhookEndpoint
from tracking.webhooks import endpoints
from tracking.webhooks.targets import InvalidTarget

from .history import permit, run, said, text_of
from .people import errors_of, found, new_user, page_of, plain

pytestmark = pytest.mark.django_db

ENDPOINTS = "/admin/tracking/webhookendpoint/"
DELIVERIES = "/admin/tracking/webhookdelivery/"
EVENTS = "/admin/tracking/event/"
URL = "https://hooks.example.com/tracking?key=1"
ARRIVED = "waypoint.arrived"
SECRET = re.compile(r"whsec_[\w+/=]+")


@pytest.fixture(autouse=True)
def _known_hosts(monkeypatch):
    """Let all hosts but private.example.com be public."""

    def check(url):
        if "private" in url:
            raise InvalidTarget("This address is private.")

    monkeypatch.setattr(endpoints, "check_url", check)


@pytest.fixture
def endpoint(db):
    return endpoints.create(URL, [ARRIVED, "zone.entered"], "Dispatch")[0]


@pytest.fixture
def delivery(endpoint):
    return deliver(endpoint)


@pytest.fixture
def nobody(staff):
    """Return a client of a member of staff without permissions."""
    staff.user.user_permissions.clear()
    return staff


def deliver(endpoint, **fields):
    now = timezone.now()
    event = Event.objects.create(
        type=ARRIVED, occurred_at=now, dispatched_at=now, data={"waypoint": "pickup <1>"}
    )
    values = {"status": "failed", "attempts": 10, "status_code": 500, "duration": 0.25}
    values |= {"answer": "<b>oops</b>", "last_attempt_at": now, "created_at": now} | fields
    return WebhookDelivery.objects.create(event=event, endpoint=endpoint, **values)


def add(client, **fields):
    return client.post(
        f"{ENDPOINTS}add/", {"url": URL, "description": "", "events": [ARRIVED], **fields}
    )


def act(client, endpoint, name, **fields):
    return client.post(f"{ENDPOINTS}{endpoint.pk}/act/", {"act": name, **fields})


def rotate(client, endpoint):
    """Ask for a new secret, confirm it, and return the answer."""
    page = text_of(act(client, endpoint, "rotate"))
    (version,) = re.findall(r'name="version" value="([^"]*)"', page)
    return act(client, endpoint, "rotate_now", version=version)


def status_in(client, endpoint):
    endpoint.refresh_from_db()
    page = text_of(client.get(page_of(ENDPOINTS, endpoint)))
    return plain_part(page, "tracking-endpoint")


def plain_part(page, name):
    text = re.search(rf'class="{name}".*?<p>(.*?)</p>', page, re.S)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_added_endpoint_is_stored_and_its_secret_is_shown_this_once(admin):
    answer = add(admin, description="Night shift")
    row = WebhookEndpoint.objects.get()
    assert (row.url, row.description, row.events) == (URL, "Night shift", [ARRIVED])
    assert row.created_by.name == "Admin"
    assert SECRET.findall(text_of(answer)) == [row.secret]
    assert "It is not shown again." in plain(answer)
    assert "no-store" in answer["Cache-Control"]


def test_rotated_secret_is_shown_this_once(admin, endpoint):
    answer = rotate(admin, endpoint)
    row = WebhookEndpoint.objects.get()
    assert SECRET.findall(text_of(answer)) == [row.secret]
    assert row.secret != row.former_secret == endpoint.secret
    assert re.search(r"Until 20\S+ \S+ UTC webhooks are signed with the former", plain(answer))
    assert "no-store" in answer["Cache-Control"]


def test_rotation_that_is_sent_again_changes_nothing(admin, endpoint):
    version = ""
    act(admin, endpoint, "rotate_now", version=version)
    secret = WebhookEndpoint.objects.get().secret
    answer = act(admin, endpoint, "rotate_now", version=version)
    assert answer.status_code == 302
    assert WebhookEndpoint.objects.get().secret == secret
    assert said(admin, ENDPOINTS) == [
        "The secret was rotated in the meantime: nothing was changed."
    ]


def test_second_rotation_within_a_day_says_what_ends(admin, endpoint):
    ending = "is no longer used from now on"
    assert ending not in plain(act(admin, endpoint, "rotate"))
    rotate(admin, endpoint)
    assert ending in plain(act(admin, endpoint, "rotate"))


def test_no_other_page_and_no_log_entry_has_a_secret(admin, delivery):
    add(admin)
    rotate(admin, delivery.endpoint)
    secrets = {
        secret
        for row in WebhookEndpoint.objects.all()
        for secret in (row.secret, row.former_secret)
        if secret
    }
    assert len(secrets) == 3
    for path in (
        ENDPOINTS,
        page_of(ENDPOINTS, delivery.endpoint),
        f"{ENDPOINTS}{delivery.endpoint_id}/history/",
        f"{ENDPOINTS}{delivery.endpoint_id}/delete/",
        DELIVERIES,
        page_of(DELIVERIES, delivery),
        page_of(EVENTS, delivery.event),
        "/admin/",
    ):
        page = admin.get(path)
        assert page.status_code == 200
        assert SECRET.findall(text_of(page)) == []
        assert not [secret for secret in secrets if secret in text_of(page)]
    log = str(list(LogEntry.objects.values_list("object_repr", "change_message")))
    assert "Rotated the secret." in log
    assert "whsec_" not in log
    # Which may be a secret of the receiver's.
    assert "key=1" not in log


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"url": "https://private.example.com/"}, {"url": ["This address is private."]}),
        ({"url": ""}, {"url": ["This field is required."]}),
        ({"events": []}, {"events": ["Choose at least one type."]}),
        ({"description": "x" * 201}, {"description": 1}),
        ({"events": ["webhook.test"]}, {"events": 1}),
    ],
)
def test_errors_are_at_their_fields(admin, fields, errors):
    answer = errors_of(add(admin, **fields))
    assert answer.keys() == errors.keys()
    for name, texts in errors.items():
        assert texts == 1 or answer[name] == texts
    assert not WebhookEndpoint.objects.exists()


def test_change_writes_what_was_changed(admin, endpoint, monkeypatch):
    # The address is as before, and not looked up again.
    monkeypatch.setattr(endpoints, "check_url", None)
    data = {"url": URL, "description": "Dispatch 2", "events": ["trip.eta_changed"]}
    assert admin.post(page_of(ENDPOINTS, endpoint), data).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.description, endpoint.events) == ("Dispatch 2", ["trip.eta_changed"])


def test_refused_change_changes_nothing(admin, endpoint):
    data = {"url": "https://private.example.com/", "description": "new", "events": [ARRIVED]}
    answer = admin.post(page_of(ENDPOINTS, endpoint), data)
    assert errors_of(answer) == {"url": ["This address is private."]}
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.description) == (URL, "Dispatch")


@pytest.mark.django_db(transaction=True)
def test_names_are_resolved_outside_of_a_transaction(admin, monkeypatch):
    within = []
    monkeypatch.setattr(
        endpoints, "check_url", lambda url: within.append(connection.in_atomic_block)
    )
    add(admin)
    assert within == [False]


def test_status_is_in_plain_words(admin, endpoint):
    at = timezone.now() - timedelta(hours=3)
    when = f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
    assert status_in(admin, endpoint) == "nothing delivered yet"
    deliver(endpoint, status="delivered")
    assert status_in(admin, endpoint) == "works"
    rows = WebhookEndpoint.objects
    rows.update(failing_since=at)
    assert status_in(admin, endpoint) == f"failing since {when}"
    for reason, words in (
        ("staff", "by staff since"),
        ("gone", "because it answered 410 Gone, since"),
        ("failing", "because its deliveries failed for five days, since"),
    ):
        rows.update(disabled_at=at, disabled_reason=reason)
        assert status_in(admin, endpoint) == f"disabled {words} {when}"
        assert f"disabled {words} {when}" in plain(admin.get(ENDPOINTS))


def test_list_names_endpoints_without_the_query_of_their_address(admin, endpoint):
    endpoints.create("https://hooks.example.com/" + "x" * 100, [ARRIVED])
    text = plain(admin.get(ENDPOINTS))
    assert "https://hooks.example.com/tracking waypoint.arrived, +1" in text
    assert "key=1" not in text
    assert "xxx…" in text


@pytest.mark.parametrize(("value", "count"), [("enabled", 2), ("failing", 1), ("disabled", 1)])
def test_list_is_filtered_by_status(admin, endpoint, value, count):
    for fields in ({"failing_since": timezone.now()}, {"disabled_at": timezone.now()}):
        other = endpoints.create(URL, [ARRIVED])[0]
        WebhookEndpoint.objects.filter(pk=other.pk).update(**fields)
    assert len(found(admin.get(ENDPOINTS, {"status": value}))) == count


def test_buttons_disable_and_enable(admin, endpoint):
    page = page_of(ENDPOINTS, endpoint)
    assert act(admin, endpoint, "disable").url == page
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "staff"
    text = text_of(admin.get(page))
    assert 'value="enable"' in text
    assert 'value="test"' not in text
    act(admin, endpoint, "enable")
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None


def test_button_sends_a_test(admin, endpoint):
    act(admin, endpoint, "test")
    delivery = WebhookDelivery.objects.get()
    assert (delivery.endpoint, delivery.event.type) == (endpoint, "webhook.test")
    assert "webhook.test" in plain(admin.get(page_of(ENDPOINTS, endpoint)))
    endpoints.disable(endpoint)
    act(admin, endpoint, "test")
    assert "disabled: enable it first" in said(admin, ENDPOINTS)[-1]
    assert WebhookDelivery.objects.count() == 1


def test_unknown_buttons_endpoints_and_methods_are_refused(admin, endpoint):
    assert act(admin, endpoint, "explode").status_code == 404
    assert admin.post(f"{ENDPOINTS}4711/act/", {"act": "test"}).status_code == 404
    assert admin.get(f"{ENDPOINTS}{endpoint.pk}/act/").status_code == 405


def test_deletion_counts_the_deliveries(admin, delivery):
    path = f"{ENDPOINTS}{delivery.endpoint_id}/delete/"
    text = plain(admin.get(path))
    assert "Webhook deliveries: 1" in text
    assert str(delivery.event_id) not in text
    assert admin.post(path, {"post": "yes"}).status_code == 302
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_selected_endpoints_are_deleted(admin, delivery):
    run(admin, ENDPOINTS, "delete_selected", delivery.endpoint, post="yes")
    assert not WebhookEndpoint.objects.exists()


def test_viewer_sees_the_endpoint_and_no_button(nobody, delivery):
    permit(nobody.user, "view_webhookendpoint")
    page = nobody.get(page_of(ENDPOINTS, delivery.endpoint))
    text = text_of(page)
    assert "waypoint.arrived" in plain(page)
    assert 'name="act"' not in text
    assert 'name="url"' not in text
    # These need a permission of their own.
    assert 'id="deliveries"' not in text
    for name in ("test", "disable", "enable", "rotate", "rotate_now"):
        assert act(nobody, delivery.endpoint, name).status_code == 403
    assert nobody.get(f"{ENDPOINTS}add/").status_code == 403
    assert nobody.get(f"{ENDPOINTS}{delivery.endpoint_id}/delete/").status_code == 403
    assert nobody.get(DELIVERIES).status_code == 403
    assert nobody.get(EVENTS).status_code == 403


def test_deliveries_show_status_answer_and_next_attempt(admin, delivery):
    soon = timezone.now() + timedelta(hours=2)
    deliver(delivery.endpoint, status="pending", attempts=3, next_attempt_at=soon)
    deliver(delivery.endpoint, status_code=None, duration=10.0, answer="It did not answer.")
    deliver(
        delivery.endpoint,
        status="pending",
        attempts=0,
        next_attempt_at=soon,
        duration=None,
        status_code=None,
        last_attempt_at=None,
    )
    when = f"{timezone.localtime(soon):%Y-%m-%d %H:%M}"
    text = plain(admin.get(DELIVERIES))
    for row in (
        "failed waypoint.arrived Dispatch 500 in 250 ms 10",
        f"pending next at {when} waypoint.arrived Dispatch 500 in 250 ms 3",
        "failed waypoint.arrived Dispatch none in 10000 ms 10",
        f"pending next at {when} waypoint.arrived Dispatch – 0",
    ):
        assert row in text


def test_delivery_shows_its_body_and_the_answer_as_text(admin, delivery):
    page = admin.get(page_of(DELIVERIES, delivery))
    text = text_of(page)
    assert "&lt;b&gt;oops&lt;/b&gt;" in text
    assert "<b>oops</b>" not in text
    body = re.search(r"\{.*\}", plain(page))[0]
    assert json.loads(body)["type"] == ARRIVED
    assert json.loads(body)["data"] == {"waypoint": "pickup <1>"}


def test_deliveries_are_found_by_webhook_id_status_and_type(admin, delivery):
    test = endpoints.send_test(delivery.endpoint)
    for query, rows in (
        ({"q": str(delivery.event_id)}, [delivery]),
        ({"q": f" {str(test.event_id).upper()} "}, [test]),
        ({"q": "nothing"}, []),
        ({"status__exact": "failed"}, [delivery]),
        ({"event__type__exact": "webhook.test"}, [test]),
    ):
        assert found(admin.get(DELIVERIES, query)) == rows
    assert "No delivery matches." in plain(admin.get(DELIVERIES, {"q": "nothing"}))


def test_button_delivers_again(admin, delivery):
    answer = admin.post(f"{DELIVERIES}{delivery.pk}/redeliver/")
    assert answer.url == page_of(DELIVERIES, delivery)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    endpoints.disable(delivery.endpoint)
    WebhookDelivery.objects.update(status="failed")
    admin.post(f"{DELIVERIES}{delivery.pk}/redeliver/")
    assert "disabled: enable it first" in said(admin, DELIVERIES)[-1]
    delivery.refresh_from_db()
    assert delivery.status == "failed"
    assert admin.post(f"{DELIVERIES}4711/redeliver/").status_code == 404


def test_action_delivers_again_and_names_those_of_disabled_endpoints(admin, delivery):
    other = deliver(endpoints.create(URL, [ARRIVED], "Warehouse")[0])
    endpoints.disable(other.endpoint)
    run(admin, DELIVERIES, "redeliver_selected", delivery, other)
    assert sorted(said(admin, DELIVERIES)) == [
        "1 delivery is due now.",
        "Endpoint Warehouse is disabled: waypoint.arrived stays as it is.",
    ]


def test_viewer_of_deliveries_may_not_repeat_one(nobody, delivery):
    permit(nobody.user, "view_webhookdelivery")
    page = nobody.get(page_of(DELIVERIES, delivery))
    assert "Deliver again" not in plain(page)
    # No links to pages that are not permitted.
    assert ENDPOINTS not in text_of(page)
    assert EVENTS not in text_of(page)
    assert nobody.post(f"{DELIVERIES}{delivery.pk}/redeliver/").status_code == 403
    run(nobody, DELIVERIES, "redeliver_selected", delivery)
    delivery.refresh_from_db()
    assert delivery.status == "failed"


@pytest.fixture
def trip(jonh):
    return trips.create(reference="T-7", driver=jonh)


def test_events_show_type_driver_trip_and_number(admin, trip):
    text = plain(admin.get(EVENTS))
    assert "trip.status_changed Jonh T-7 1" in text
    assert "driver.state_changed Jonh – –" in text


def test_events_are_filtered_by_type_driver_and_trip(admin, trip, jonh):
    bo = new_user("Bo")
    other = trips.create(reference="T-8", driver=bo)
    for query, count in (
        ({"type__exact": "trip.status_changed"}, 2),
        ({"driver": jonh.pk}, 2),
        ({"trip": other.pk}, 1),
        ({"q": "t-7"}, 1),
        ({"q": "jonh"}, 2),
        ({"driver": "x"}, 0),
        ({"trip": "9" * 30}, 0),
        ({"trip": 4711}, 0),
    ):
        assert len(found(admin.get(EVENTS, query))) == count, query
    assert "By driver All Jonh" in plain(admin.get(EVENTS, {"driver": jonh.pk}))
    assert "By trip All T-8" in plain(admin.get(EVENTS, {"trip": other.pk}))
    assert "By driver" not in plain(admin.get(EVENTS))


def test_event_shows_its_data_and_deliveries(admin, delivery):
    page = admin.get(page_of(EVENTS, delivery.event))
    assert '"waypoint": "pickup <1>"' in plain(page)
    assert "<1>" not in text_of(page)
    assert "Dispatch failed 500 in 250 ms 10" in plain(page)
    assert "All events of" not in plain(page)


def test_event_links_to_the_others_of_its_trip_and_driver(admin, trip, jonh):
    event = Event.objects.get(trip=trip)
    text = text_of(admin.get(page_of(EVENTS, event)))
    assert f'"{EVENTS}?trip={trip.pk}"' in text
    assert f'"{EVENTS}?driver={jonh.pk}"' in text
    assert "not yet: see whether tracking_deliver runs" in text


def test_events_cannot_be_added_changed_or_deleted(admin, trip):
    event = Event.objects.get(trip=trip)
    assert admin.get(f"{EVENTS}add/").status_code == 403
    assert admin.get(f"{EVENTS}{event.pk}/delete/").status_code == 403
    assert admin.post(page_of(EVENTS, event), {"type": "webhook.test"}).status_code == 403


def test_viewer_of_events_gets_no_links_to_other_pages(nobody, trip):
    permit(nobody.user, "view_event")
    event = Event.objects.get(trip=trip)
    for path in (EVENTS, page_of(EVENTS, event)):
        text = text_of(nobody.get(path))
        assert "T-7" in text
        assert "/admin/tracking/trip/" not in text
        assert 'id="deliveries"' not in text


def test_lists_take_as_many_queries_for_one_row_as_for_many(
    admin, trip, delivery, django_assert_max_num_queries
):
    for number in range(5):
        deliver(endpoints.create(URL, [ARRIVED])[0])
        trips.create(driver=new_user(f"Driver {number}"))
    for path in (ENDPOINTS, DELIVERIES, EVENTS):
        with django_assert_max_num_queries(9):
            admin.get(path)
