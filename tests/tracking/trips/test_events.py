"""The events of trips, in the transaction that causes them, and the notices to workers after it."""

import pytest
from django.db import transaction
from django.utils import timezone

from tracking import changes, states, trips
from tracking.models import Event, Trip

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def driver(new_user):
    return new_user("driver")


@pytest.fixture
def announced(monkeypatch):
    """Return the log of notices about trips."""
    calls = []
    monkeypatch.setattr(changes, "announce", lambda drivers=(), trips=(): calls.extend(trips))
    return calls


def events_of(trip_id):
    return list(Event.objects.filter(trip=trip_id).order_by("sequence"))


def test_events_tell_statuses_and_drivers_and_are_numbered(driver, new_user, announced):
    other = new_user("driver")
    pk = trips.create(reference="T-7").pk
    trips.assign(pk, driver)
    trips.set_status(pk, "enroute_to_dropoff")
    trips.assign(pk, other)
    trips.complete(pk)
    one, two = driver.pk, other.pk
    expected = [
        # Driver, status, previous status, previous driver.
        (None, "new", None, None),
        (one, "new", "new", None),
        (one, "enroute_to_dropoff", "new", one),
        (two, "new", "enroute_to_dropoff", one),
        (two, "complete", "new", two),
    ]
    rows = events_of(pk)
    assert [row.data for row in rows] == [
        {
            "trip": pk,
            "reference": "T-7",
            "driver": driver_id,
            "sequence": number,
            "status": status,
            "previous_status": previous,
            "previous_driver": former,
        }
        for number, (driver_id, status, previous, former) in enumerate(expected, 1)
    ]
    # The payload begins with the names that all events of trips have.
    assert list(rows[0].data)[:4] == ["trip", "reference", "driver", "sequence"]
    assert [(row.driver_id, row.sequence) for row in rows] == [
        (driver_id, number) for number, (driver_id, *_) in enumerate(expected, 1)
    ]
    assert {row.type for row in rows} == {"trip.status_changed"}
    assert Trip.objects.get(pk=pk).event_count == 5
    assert announced == [pk] * 5


def test_trip_created_with_its_driver_is_one_event(driver):
    (row,) = events_of(trips.create(driver=driver).pk)
    assert (row.driver_id, row.data["status"]) == (driver.pk, "new")
    assert (row.data["previous_status"], row.data["previous_driver"]) == (None, None)


def test_new_event_is_of_now_and_waits_to_be_dispatched():
    before = timezone.now()
    (row,) = events_of(trips.create().pk)
    assert before <= row.occurred_at <= timezone.now()
    assert row.dispatched_at is None


def test_ids_of_events_are_in_the_order_of_time(driver):
    pk = trips.create(driver=driver).pk
    trips.complete(pk)
    one, two = events_of(pk)
    # Their first 48 bits are the time.
    assert one.pk.int >> 80 <= two.pk.int >> 80


def test_rows_are_in_the_same_transaction_and_notices_after_it(driver, announced):
    with transaction.atomic():
        pk = trips.create(driver=driver).pk
        trips.complete(pk)
        assert [row.data["status"] for row in events_of(pk)] == ["new", "complete"]
        assert announced == []
    # One notice for both.
    assert announced == [pk]


def test_nothing_is_stored_or_sent_after_a_rollback(driver, announced):
    with transaction.atomic():
        trips.create(driver=driver)
        transaction.set_rollback(True)
    assert announced == []
    assert not Event.objects.exists()
    assert not Trip.objects.exists()
    assert states.state_of(driver) is None


def test_number_of_an_event_that_was_rolled_back_is_used_again(driver):
    pk = trips.create(driver=driver).pk
    with transaction.atomic():
        trips.set_status(pk, "enroute_to_pickup")
        transaction.set_rollback(True)
    trips.complete(pk)
    assert [(row.sequence, row.data["status"]) for row in events_of(pk)] == [
        (1, "new"),
        (2, "complete"),
    ]


def test_refusal_leaves_the_surrounding_transaction_usable(driver, announced):
    taken = trips.create(driver=driver)
    with transaction.atomic():
        waiting = trips.create()
        with pytest.raises(trips.DriverTaken):
            trips.assign(waiting, driver)
    assert [len(events_of(trip.pk)) for trip in (taken, waiting)] == [1, 1]
    assert announced == [taken.pk, waiting.pk]
    assert Trip.objects.get(pk=waiting.pk).driver is None


def test_no_change_is_no_event(driver):
    trip = trips.create(driver=driver)
    trips.assign(trip, driver)
    trips.set_status(trip, "new")
    assert len(events_of(trip.pk)) == 1


def test_new_vehicle_alone_is_no_event_but_notifies_workers(driver, announced):
    trip = trips.create(driver=driver)
    trips.assign(trip, driver, vehicle="white Prius")
    assert len(events_of(trip.pk)) == 1
    assert announced == [trip.pk, trip.pk]


def test_events_of_a_deleted_driver_are_deleted_and_the_trip_goes_on(driver):
    pk = trips.create(driver=driver).pk
    one = driver.pk
    driver.delete()
    (row,) = events_of(pk)
    assert (row.sequence, row.driver_id, row.data["previous_driver"]) == (2, None, one)
    trips.cancel(pk)
    assert [row.sequence for row in events_of(pk)] == [2, 3]
