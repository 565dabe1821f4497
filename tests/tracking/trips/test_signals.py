"""The signal `trip_changed` and the notices to workers: after the commit, or never."""

import pytest
from django.db import transaction

from tracking import changes, states, trips
from tracking.models import Trip, TripStatus
from tracking.signals import trip_changed

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


@pytest.fixture
def received(announced):
    """Return the log of signals."""
    log = []

    def receive(sender, signal, trip_id, **facts):
        assert sender is Trip
        # Workers are notified first: a receiver may be slow.
        assert announced[-1] == trip_id
        log.append((trip_id, *facts.values()))

    trip_changed.connect(receive)
    yield log
    trip_changed.disconnect(receive)


def test_signal_tells_statuses_and_drivers(driver, new_user, received, announced):
    other = new_user("driver")
    pk = trips.create().pk
    trips.assign(pk, driver)
    trips.set_status(pk, "enroute_to_dropoff")
    trips.assign(pk, other)
    trips.complete(pk)
    one, two = driver.pk, other.pk
    # Trip, status, previous status, driver, previous driver.
    assert received == [
        (pk, "new", None, None, None),
        (pk, "new", "new", one, None),
        (pk, "enroute_to_dropoff", "new", one, one),
        (pk, "new", "enroute_to_dropoff", two, one),
        (pk, "complete", "new", two, two),
    ]
    assert all(isinstance(status, TripStatus) for _, status, *_ in received)
    assert announced == [pk] * 5


def test_signal_of_a_trip_created_with_its_driver(driver, received):
    pk = trips.create(driver=driver).pk
    assert received == [(pk, "new", None, driver.pk, None)]


def test_signals_are_sent_after_the_commit(driver, received, announced):
    with transaction.atomic():
        trip = trips.create(driver=driver)
        trips.complete(trip)
        assert (received, announced) == ([], [])
    assert [status for _, status, *_ in received] == ["new", "complete"]


def test_nothing_is_sent_or_stored_after_a_rollback(driver, received, announced):
    with transaction.atomic():
        trips.create(driver=driver)
        transaction.set_rollback(True)
    assert (received, announced) == ([], [])
    assert not Trip.objects.exists()
    assert states.state_of(driver) is None


def test_refusal_leaves_the_surrounding_transaction_usable(driver, received, announced):
    taken = trips.create(driver=driver)
    with transaction.atomic():
        waiting = trips.create()
        with pytest.raises(trips.DriverTaken):
            trips.assign(waiting, driver)
    assert [trip_id for trip_id, *_ in received] == [taken.pk, waiting.pk]
    assert Trip.objects.get(pk=waiting.pk).driver is None


def test_nothing_is_sent_for_no_change(driver, received):
    trip = trips.create(driver=driver)
    trips.assign(trip, driver)
    trips.set_status(trip, "new")
    assert len(received) == 1


def test_receiver_that_raises_disturbs_neither_the_caller_nor_other_receivers(driver, caplog):
    log = []

    def fail(**facts):
        raise ZeroDivisionError

    def receive(status, **facts):
        log.append(status)

    trip_changed.connect(fail)
    trip_changed.connect(receive)
    try:
        trip = trips.create(driver=driver)
    finally:
        trip_changed.disconnect(fail)
        trip_changed.disconnect(receive)
    assert log == ["new"]
    assert Trip.objects.get() == trip
    assert "ZeroDivisionError" in caplog.text
