from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.tracking.fakes import NOON
from tests.tracking.threads import together
from tracking.events import dispatch, of_driver, store
from tracking.events.dispatch import (
    count_pending,
    dispatch_batch,
    dispatch_pending,
    oldest_pending,
)
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint
from tracking.signals import event_occurred

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

ENTERED, EXITED = EventType.ZONE_ENTERED, EventType.ZONE_EXITED


def happened(count, kind=ENTERED):
    events = [of_driver(number, kind, NOON) for number in range(1, count + 1)]
    store(events)
    return events


def endpoint(*types, **fields):
    return WebhookEndpoint.objects.create(url="https://example.com/", events=types, **fields)


@pytest.fixture
def receive():
    """Connect receivers for one test."""
    connected = []

    def connect(receiver):
        event_occurred.connect(receiver, weak=False)
        connected.append(receiver)

    yield connect
    for receiver in connected:
        event_occurred.disconnect(receiver)


@pytest.mark.usefixtures("database")
def test_oldest_event_that_waits_is_found_until_it_is_dispatched():
    assert oldest_pending() is None
    before = timezone.now()
    happened(2)
    assert before - timedelta(milliseconds=1) < oldest_pending() <= timezone.now()
    dispatch_pending()
    assert oldest_pending() is None


@pytest.mark.usefixtures("database")
def test_events_that_wait_are_counted_up_to_a_bound(monkeypatch):
    assert count_pending() == 0
    happened(3)
    assert count_pending() == 3
    monkeypatch.setattr(dispatch, "MAX_COUNTED", 2)
    assert count_pending() == 2
    dispatch_pending()
    assert count_pending() == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("look", [count_pending, oldest_pending])
def test_look_at_what_waits_reads_no_event_that_is_dispatched(database, look):
    happened(1_000)
    dispatch_pending()
    happened(3)
    with connections[database].cursor() as cursor:
        cursor.execute("ANALYZE tracking_event")
        with CaptureQueriesContext(connections[database]) as queries:
            look()
        (query,) = queries
        cursor.execute("EXPLAIN (ANALYZE, COSTS OFF) " + query["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "tracking_event_pending" in plan
    assert "Seq Scan" not in plan


@pytest.mark.usefixtures("database")
def test_endpoints_get_a_delivery_of_the_types_that_they_chose():
    both, one = endpoint(ENTERED, EXITED), endpoint(EXITED)
    endpoint(ENTERED, EXITED, disabled_at=NOON, disabled_reason="staff")
    endpoint()
    (entered,), (exited,) = happened(1), happened(1, EXITED)
    assert dispatch_pending() == 2
    made = WebhookDelivery.objects.values_list("event", "endpoint", "status", "attempts")
    assert set(made) == {
        (entered.pk, both.pk, "pending", 0),
        (exited.pk, both.pk, "pending", 0),
        (exited.pk, one.pk, "pending", 0),
    }
    assert not Event.objects.filter(dispatched_at=None).exists()
    assert dispatch_pending() == 0
    assert WebhookDelivery.objects.count() == 3


@pytest.mark.usefixtures("database")
def test_event_is_signalled_once_and_in_order(receive):
    seen = []
    receive(lambda event, **_: seen.append(event.pk))
    ids = [event.pk for event in happened(5)]
    dispatch_pending()
    dispatch_pending()
    assert seen == sorted(ids)


@pytest.mark.usefixtures("database")
def test_event_committed_late_is_dispatched_though_newer_ones_were():
    late = of_driver(1, ENTERED, NOON)
    happened(1)
    dispatch_pending()
    store([late])
    assert dispatch_pending() == 1


@pytest.mark.usefixtures("database")
def test_test_of_an_endpoint_with_its_delivery_is_left_as_it_is():
    target = endpoint(ENTERED)
    (event,) = happened(1)
    WebhookDelivery.objects.create(
        event=event, endpoint=target, created_at=NOON, next_attempt_at=NOON
    )
    dispatch_pending()
    assert WebhookDelivery.objects.get().created_at == NOON


@pytest.mark.usefixtures("database")
def test_receivers_writes_are_undone_with_the_dispatch(receive, monkeypatch):
    def write(event, **_):
        WebhookEndpoint.objects.create(url=str(event.pk))

    def fail(*_):
        raise IntegrityError

    receive(write)
    happened(2)
    with monkeypatch.context() as broken:
        broken.setattr(dispatch, "_make_deliveries", fail)
        with pytest.raises(IntegrityError):
            dispatch_pending()
    assert not WebhookEndpoint.objects.exists()
    dispatch_pending()
    assert WebhookEndpoint.objects.count() == 2


def test_failing_receiver_stops_neither_the_others_nor_the_dispatch(receive, database, caplog):
    seen = []

    def broken_statement(event, **_):
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    def broken_transaction(event, **_):
        with transaction.atomic(database, savepoint=False):
            raise ValueError("no")

    receive(broken_statement)
    receive(broken_transaction)
    receive(lambda event, **_: seen.append(event.pk))
    happened(3)
    assert dispatch_pending() == 3
    assert len(seen) == 3
    assert not Event.objects.filter(dispatched_at=None).exists()
    assert "broken_statement" in caplog.text


@pytest.mark.usefixtures("database")
def test_slow_receivers_end_the_transaction_early(receive, monkeypatch):
    monkeypatch.setattr(dispatch, "MAX_SIGNALLING", -1.0)
    receive(lambda event, **_: None)
    happened(3)
    assert [dispatch_batch() for _ in range(4)] == [1, 1, 1, 0]


def test_two_dispatchers_make_every_delivery_once(database, receive, monkeypatch):
    monkeypatch.setattr(dispatch, "BATCH_SIZE", 10)
    seen = []
    receive(lambda event, **_: seen.append(event.pk))
    endpoint(ENTERED)
    events = happened(100)
    results = together(database, dispatch_pending, dispatch_pending)
    # One leaves out the rows of the other, and may end early.
    dispatch_pending()
    assert all(isinstance(count, int) for count in results)
    assert sorted(seen) == sorted(event.pk for event in events)
    assert WebhookDelivery.objects.count() == 100
