"""Webhook endpoints and their deliveries over HTTP."""

import pytest
from django.utils import timezone

from tracking.models import Event, WebhookDelivery, WebhookEndpoint
from tracking.webhooks import endpoints
from tracking.webhooks.targets import InvalidTarget

from .callers import new_caller
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/tracking"
HOOK = {"url": URL, "events": ["waypoint.arrived", "zone.entered"]}
PERMISSIONS = [f"{verb}_webhookendpoint" for verb in ("view", "add", "change", "delete")] + [
    f"{verb}_webhookdelivery" for verb in ("view", "change")
]


@pytest.fixture(autouse=True)
def _known_hosts(monkeypatch):
    """Let all hosts but private.example.com be public."""

    def check(url):
        if "private" in url:
            raise InvalidTarget("This address is private.")

    monkeypatch.setattr(endpoints, "check_url", check)


@pytest.fixture
def staff(db):
    caller = new_caller("dispatcher")
    permitted(caller.pk, *PERMISSIONS)
    return caller


@pytest.fixture
def endpoint(db):
    return endpoints.create(**HOOK)[0]


@pytest.fixture
def path(endpoint):
    return f"/webhooks/{endpoint.pk}/"


def deliver(endpoint, **fields):
    now = timezone.now()
    event = Event.objects.create(type="waypoint.arrived", occurred_at=now, dispatched_at=now)
    values = {"status": "failed", "attempts": 10, "created_at": now, **fields}
    return WebhookDelivery.objects.create(event=event, endpoint=endpoint, **values)


def patch(caller, path, body):
    return caller.client.patch(path, body, content_type="application/json")


def test_created_endpoint_is_answered_with_its_secret_this_once(staff):
    answer = staff.post("/webhooks/", HOOK | {"description": "Dispatch"})
    assert answer.status_code == 201
    row = WebhookEndpoint.objects.get()
    made = answer.json()
    assert made.pop("secret") == row.secret
    assert made.pop("created_at").endswith("Z")
    assert made == {
        "id": row.pk,
        "url": URL,
        "description": "Dispatch",
        "events": ["waypoint.arrived", "zone.entered"],
        "created_by": staff.pk,
        "disabled_at": None,
        "disabled_reason": "",
        "failing_since": None,
        "former_secret_until": None,
    }


def test_no_other_answer_has_a_secret(staff, endpoint, path):
    endpoints.rotate_secret(endpoint)
    deliver(endpoint)
    for answer in (
        staff.get("/webhooks/"),
        staff.get(path),
        patch(staff, path, {"description": "new"}),
        staff.post(f"{path}test/"),
        staff.get(f"{path}deliveries/"),
        staff.post(f"{path}disable/"),
        staff.post(f"{path}enable/"),
    ):
        assert answer.status_code in (200, 201)
        text = answer.content.decode()
        assert "whsec_" not in text
        assert endpoint.secret not in text
        assert "secret" not in text.replace("former_secret_until", "")


def test_rotation_is_answered_with_the_new_secret(staff, endpoint, path):
    answer = staff.post(f"{path}rotate/").json()
    row = WebhookEndpoint.objects.get()
    assert answer["secret"] == row.secret != endpoint.secret
    assert row.former_secret == endpoint.secret
    assert answer["former_secret_until"] is not None


def test_list_is_newest_first_in_pages(staff):
    pks = [endpoints.create(**HOOK)[0].pk for _ in range(3)]
    page = staff.get("/webhooks/", {"page_size": 2}).json()
    assert [each["id"] for each in page["results"]] == [pks[2], pks[1]]
    assert page["next"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://private.example.com/"}, "#/url"),
        ({"url": ""}, "#/url"),
        ({"url": f"{URL}/{'x' * 2000}"}, "#/url"),
        ({"events": []}, "#/events"),
        ({"events": ["webhook.test"]}, "#/events/0"),
        ({"events": ["zone.entered", "zone.entered"]}, "#/events"),
        ({"description": "x" * 201}, "#/description"),
        ({"secret": "whsec_mine"}, "#"),
    ],
)
def test_invalid_member_is_named(staff, path, body, pointer):
    for answer in (staff.post("/webhooks/", HOOK | body), patch(staff, path, body)):
        members = problem_members(answer, 400)
        assert members["code"] == "invalid"
        assert [each["pointer"] for each in members["errors"]] == [pointer]
        assert "whsec_mine" not in answer.content.decode()
    assert WebhookEndpoint.objects.count() == 1


def test_members_left_out_stay_as_they_are(staff, path):
    answer = patch(staff, path, {"events": ["trip.eta_changed"]}).json()
    assert (answer["url"], answer["events"]) == (URL, ["trip.eta_changed"])
    assert patch(staff, path, {}).json() == answer


def test_deleted_endpoint_is_gone(staff, path):
    assert staff.client.delete(path).status_code == 204
    problem(staff.get(path), 404, "not_found")
    problem(staff.client.delete(path), 404, "not_found")


def test_disabled_and_enabled(staff, path):
    disabled = staff.post(f"{path}disable/").json()
    assert disabled["disabled_at"] is not None
    assert disabled["disabled_reason"] == "staff"
    enabled = staff.post(f"{path}enable/").json()
    assert (enabled["disabled_at"], enabled["disabled_reason"]) == (None, "")


def test_test_is_answered_with_its_delivery(staff, path):
    answer = staff.post(f"{path}test/")
    assert answer.status_code == 201
    assert answer.json()["type"] == "webhook.test"
    assert answer.json()["status"] == "pending"


def test_disabled_endpoint_is_answered_409(staff, endpoint, path):
    delivery = deliver(endpoint)
    endpoints.disable(endpoint)
    for call in ("test/", f"deliveries/{delivery.pk}/redeliver/"):
        problem(staff.post(f"{path}{call}"), 409, "endpoint_disabled")


def test_deliveries_are_listed_newest_first_and_by_status(staff, endpoint, path):
    failed = deliver(endpoint, status_code=500, duration=0.25, answer="oops")
    done = deliver(endpoint, status="delivered", attempts=1)
    deliver(endpoints.create(**HOOK)[0])
    found = staff.get(f"{path}deliveries/").json()["results"]
    assert [each["id"] for each in found] == [done.pk, failed.pk]
    (row,) = staff.get(f"{path}deliveries/", {"status": "failed"}).json()["results"]
    assert row.pop("created_at") is not None
    assert row == {
        "id": failed.pk,
        "event": str(failed.event_id),
        "type": "waypoint.arrived",
        "status": "failed",
        "attempts": 10,
        "next_attempt_at": None,
        "last_attempt_at": None,
        "status_code": 500,
        "duration": 0.25,
        "answer": "oops",
    }


def test_unknown_status_is_named(staff, path):
    members = problem_members(staff.get(f"{path}deliveries/", {"status": "lost"}), 400)
    assert members["errors"][0]["parameter"] == "status"


def test_list_of_deliveries_takes_as_many_queries_for_one_as_for_ten(
    staff, endpoint, path, django_assert_max_num_queries
):
    for _ in range(10):
        deliver(endpoint)
    with django_assert_max_num_queries(8):
        staff.get(f"{path}deliveries/")


def test_delivery_is_repeated(staff, endpoint, path):
    delivery = deliver(endpoint)
    answer = staff.post(f"{path}deliveries/{delivery.pk}/redeliver/").json()
    assert (answer["status"], answer["attempts"]) == ("pending", 0)
    assert answer["event"] == str(delivery.event_id)


def test_delivery_of_another_endpoint_is_not_found(staff, path):
    other = deliver(endpoints.create(**HOOK)[0])
    for pk in (other.pk, 4711, 2**70):
        problem(staff.post(f"{path}deliveries/{pk}/redeliver/"), 404, "not_found")


CALLS = [
    ("get", "", "view_webhookendpoint"),
    ("get", "{}/", "view_webhookendpoint"),
    ("post", "", "add_webhookendpoint"),
    ("patch", "{}/", "change_webhookendpoint"),
    ("post", "{}/rotate/", "change_webhookendpoint"),
    ("post", "{}/test/", "change_webhookendpoint"),
    ("post", "{}/disable/", "change_webhookendpoint"),
    ("post", "{}/enable/", "change_webhookendpoint"),
    ("get", "{}/deliveries/", "view_webhookdelivery"),
    ("post", "{}/deliveries/{}/redeliver/", "change_webhookdelivery"),
    ("delete", "{}/", "delete_webhookendpoint"),
]


@pytest.mark.parametrize(("method", "call", "permission"), CALLS)
def test_each_call_needs_staff_with_its_permission(client, endpoint, method, call, permission):
    delivery = deliver(endpoint)
    path = "/webhooks/" + call.format(endpoint.pk, delivery.pk)

    def status():
        body = HOOK if method in ("post", "patch") else None
        return getattr(caller.client, method)(
            path, body, content_type="application/json"
        ).status_code

    caller = new_caller("dispatcher")
    assert status() == 403
    permitted(caller.pk, *(name for name in PERMISSIONS if name != permission))
    assert status() == 403
    permitted(caller.pk, permission)
    assert status() in (200, 201, 204)
    assert getattr(client, method)(path).status_code == 401


def test_calls_are_throttled(staff, rates):
    rates(webhooks="1/hour")
    assert [staff.get("/webhooks/").status_code for _ in range(2)] == [200, 429]
