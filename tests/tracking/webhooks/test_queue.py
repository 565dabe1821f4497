from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.tracking.threads import together
from tracking.events import of_driver, store
from tracking.events.dispatch import dispatch_pending
from tracking.models import EventType, WebhookDelivery, WebhookEndpoint
from tracking.webhooks import due, queue
from tracking.webhooks.due import count_due, oldest_due
from tracking.webhooks.queue import Result, claim, finish, release
from tracking.webhooks.sender import Outcome

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

OK = Outcome(200, 0.1, "ok")
BROKEN = Outcome(500, 0.2, "broken")
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def endpoint(**fields):
    return WebhookEndpoint.objects.create(
        url="https://example.com/", events=[EventType.ZONE_ENTERED], secret="whsec_bmV3", **fields
    )


def happened(count):
    at = timezone.now()
    events = [of_driver(number, EventType.ZONE_ENTERED, at) for number in range(1, count + 1)]
    store(events)
    dispatch_pending()
    return [str(event.pk) for event in events]


def claimed(room=100, now=None, **in_flight):
    return claim({int(key[1:]): value for key, value in in_flight.items()}, room, now or later())


def later(seconds=0):
    return timezone.now() + seconds * SECOND


def finished(claims, outcome, now=None):
    now = now or timezone.now()
    return finish([Result(each, now, outcome) for each in claims], now)


def test_first_attempts_are_claimed_in_the_order_of_events_and_once(monkeypatch):
    endpoint()
    ids = happened(5)
    first, second = claimed(room=3), claimed(room=3)
    assert [each.message_id for each in first + second] == sorted(ids)
    assert claimed() == []


def test_bounds_are_kept_for_each_endpoint(monkeypatch):
    one, two = endpoint(), endpoint(failing_since=timezone.now())
    happened(20)
    claims = claim({one.pk: 10}, 100, later())
    counts = [sum(each.endpoint_id == key for each in claims) for key in (one.pk, two.pk)]
    assert counts == [6, 2]
    assert claim({one.pk: 16, two.pk: 2}, 100, later()) == []
    assert claim({}, 0, later()) == []


def test_disabled_or_deleted_endpoint_gets_nothing():
    one, two = endpoint(), endpoint()
    happened(1)
    WebhookEndpoint.objects.filter(pk=one.pk).update(disabled_at=timezone.now())
    two.delete()
    assert claimed() == []


def test_claim_ends_by_itself_and_its_late_failure_changes_nothing():
    endpoint()
    happened(1)
    (first,) = claimed()
    assert claimed() == []
    (again,) = claimed(now=later(31))
    assert again.attempts == 0
    finished([first], BROKEN)
    assert WebhookDelivery.objects.get().attempts == 0
    finished([first], OK)
    finished([again], BROKEN)
    assert WebhookDelivery.objects.get().status == "delivered"


def test_claim_that_is_given_back_is_due_at_once():
    endpoint()
    happened(1)
    release(claimed())
    assert len(claimed()) == 1


def test_oldest_due_delivery_is_found_that_nobody_attempts():
    assert oldest_due(later()) is None
    endpoint()
    happened(2)
    first, second = WebhookDelivery.objects.order_by("event").values_list("pk", flat=True)
    deliveries, at = WebhookDelivery.objects, timezone.now()
    deliveries.filter(pk=first).update(next_attempt_at=at - timedelta(seconds=90))
    assert oldest_due(at) == at - timedelta(seconds=90)
    deliveries.filter(pk=first).update(claimed_until=at + timedelta(seconds=1))
    deliveries.filter(pk=second).update(next_attempt_at=at)
    assert oldest_due(at) == at
    deliveries.filter(pk=second).update(next_attempt_at=at + timedelta(seconds=1))
    assert oldest_due(at) is None
    assert oldest_due(at + timedelta(seconds=2)) == at - timedelta(seconds=90)
    deliveries.update(status="delivered", next_attempt_at=None)
    assert oldest_due(later()) is None


def test_delivery_to_an_endpoint_that_fails_or_is_disabled_waits_for_no_process():
    endpoint(failing_since=timezone.now())
    endpoint()
    happened(1)
    WebhookEndpoint.objects.filter(failing_since=None).update(disabled_at=timezone.now())
    assert WebhookDelivery.objects.count() == 2
    assert oldest_due(later()) is None


def test_deliveries_that_wait_are_counted_up_to_a_bound(monkeypatch):
    assert count_due(later()) == 0
    endpoint()
    endpoint()
    endpoint(failing_since=timezone.now())
    endpoint(disabled_at=timezone.now())
    happened(3)
    assert count_due(later()) == 6
    monkeypatch.setattr(due, "MAX_COUNTED", 4)
    assert count_due(later()) == 4
    monkeypatch.setattr(due, "MAX_COUNTED", 3)
    assert count_due(later()) == 3
    assert count_due(later(-60)) == 0
    claimed()
    assert count_due(later()) == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("look", "count"), [(oldest_due, 1), (count_due, 2)])
def test_look_at_what_waits_reads_no_delivery_that_is_done(database, look, count):
    endpoint()
    happened(1_000)
    WebhookDelivery.objects.update(status="delivered", next_attempt_at=None)
    happened(3)
    with connections[database].cursor() as cursor:
        cursor.execute("ANALYZE tracking_webhookdelivery")
        with CaptureQueriesContext(connections[database]) as queries:
            look(later())
        assert len(queries) == count
        for query in queries:
            cursor.execute("EXPLAIN (ANALYZE, COSTS OFF) " + query["sql"])
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "tracking_delivery_due" in plan
            assert "Seq Scan on tracking_webhookdelivery" not in plan


def test_result_is_kept_and_repeating_it_changes_nothing():
    endpoint()
    happened(2)
    one, two = claimed()
    now = timezone.now()
    results = [Result(one, now, OK), Result(two, now, BROKEN)]
    finish(results, now)
    finish(results, now)
    kept = WebhookDelivery.objects.order_by("event").values_list(
        "status", "attempts", "status_code", "duration", "answer", "last_attempt_at"
    )
    assert list(kept) == [
        ("delivered", 1, 200, 0.1, "ok", now),
        ("pending", 1, 500, 0.2, "broken", now),
    ]
    again = WebhookDelivery.objects.get(status="pending").next_attempt_at
    assert now + 5 * SECOND <= again <= now + 6 * SECOND
    assert claimed(now=now + 4 * SECOND) == []
    assert [each.attempts for each in claimed(now=now + 6 * SECOND)] == [1]


def test_delivery_fails_after_the_last_attempt():
    endpoint()
    happened(1)
    now = timezone.now()
    for number in range(10):
        (each,) = claim({}, 10, now)
        assert each.attempts == number
        finished([each], BROKEN, now)
        delivery = WebhookDelivery.objects.get()
        now = delivery.next_attempt_at
    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("failed", 10, None)
    assert claim({}, 10, later(10**6)) == []


def test_410_disables_the_endpoint_at_once():
    gone, other = endpoint(), endpoint()
    happened(1)
    claims = {each.endpoint_id: each for each in claimed()}
    now = timezone.now()
    results = [
        Result(claims[gone.pk], now, Outcome(410, 0.1, "")),
        Result(claims[other.pk], now, BROKEN),
    ]
    assert finish(results, now) == [gone]
    assert finish(results, now) == [gone], "a repetition returns the same"
    gone.refresh_from_db()
    assert (gone.disabled_at, gone.disabled_reason) == (now, "gone")
    assert WebhookDelivery.objects.get(endpoint=gone).status == "failed"
    assert not WebhookEndpoint.objects.filter(pk=other.pk).exclude(disabled_at=None).exists()


def test_five_days_without_a_success_disable_the_endpoint():
    failing = endpoint()
    now = timezone.now()
    for days, outcome, disables in [
        (0, BROKEN, False),
        (4.9, BROKEN, False),
        (5.0, OK, False),
        (5.1, BROKEN, False),
        (10.0, BROKEN, False),
        (10.2, BROKEN, True),
    ]:
        happened(1)
        at = now + days * DAY
        (each, *_) = claim({}, 1, at + SECOND * 10)
        WebhookDelivery.objects.exclude(pk=each.delivery_id).delete()
        assert bool(finished([each], outcome, at)) is disables
        WebhookDelivery.objects.all().delete()
    failing.refresh_from_db()
    assert failing.disabled_reason == "failing"


def test_former_secret_signs_until_its_overlap_ends():
    target = endpoint(former_secret="whsec_b2xk", former_secret_until=later(60))
    happened(2)
    assert claimed(room=1)[0].secrets == ["whsec_bmV3", "whsec_b2xk"]
    WebhookEndpoint.objects.filter(pk=target.pk).update(former_secret_until=later(-1))
    assert claimed(room=1)[0].secrets == ["whsec_bmV3"]


def test_two_processes_never_claim_the_same_delivery(database):
    endpoint()
    endpoint()
    happened(16)

    def work():
        found = []
        for _ in range(20):
            claims = claim({}, 3, later())
            found += [each.delivery_id for each in claims]
        return found

    results = together(database, work, work)
    while claims := claim({}, 10, later()):
        results.append([each.delivery_id for each in claims])
    found = [each for result in results for each in result]
    assert len(found) == len(set(found)) == 32


def test_lease_is_longer_than_an_attempt():
    from tracking.webhooks import sender

    assert queue.LEASE.total_seconds() > sender.TIMEOUT + sender.ANSWER_TIMEOUT
