"""The events of drivers' states, in the transaction that causes them, and the notices after it."""

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from tracking import states, trips
from tracking.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def events_of(driver_id, kind="driver.state_changed"):
    # Ids of one millisecond are in any order.
    return list(Event.objects.filter(driver=driver_id, type=kind).order_by("occurred_at"))


def data(driver_id, state, previous, trip=None):
    return {"driver": driver_id, "state": state, "previous_state": previous, "trip": trip}


def test_event_tells_state_and_previous_state(driver, announced):
    states.set_state(driver, "available")
    states.set_state(driver, "non_operational")
    rows = events_of(driver)
    assert [row.data for row in rows] == [
        data(driver, "available", None),
        data(driver, "non_operational", "available"),
    ]
    assert {(row.trip_id, row.sequence, row.key, row.dispatched_at) for row in rows} == {
        (None, None, None, None)
    }
    assert announced == [[driver], [driver]]


def test_event_names_the_trip_that_the_driver_has_then(driver):
    trip = trips.create(driver=driver)
    trips.set_status(trip, "enroute_to_dropoff")
    trips.complete(trip)
    assert [row.data for row in events_of(driver)] == [
        data(driver, "reserved", None, trip.pk),
        data(driver, "on_trip", "reserved", trip.pk),
        data(driver, "available", "on_trip"),
    ]


def test_rows_are_in_the_same_transaction_and_notices_after_it(driver, announced):
    with transaction.atomic():
        states.set_state(driver, "available")
        states.set_state(driver, "reserved")
        assert [row.data["state"] for row in events_of(driver)] == ["available", "reserved"]
        assert announced == []
    # One notice for both.
    assert announced == [[driver]]


def test_nothing_is_stored_or_sent_after_a_rollback(driver, announced):
    with transaction.atomic():
        states.set_state(driver, "available")
        transaction.set_rollback(True)
    assert announced == []
    assert not Event.objects.exists()
    assert states.state_of(driver) is None


def test_same_state_and_refusal_are_no_events(driver, announced):
    states.set_state(driver, "available")
    states.set_state(driver, "available")
    with pytest.raises(states.StateConflict):
        states.set_state(driver, "on_trip")
    assert len(events_of(driver)) == len(announced) == 1


def test_new_vehicle_type_alone_notifies_workers_without_an_event(driver, announced):
    states.set_state(driver, "available", vehicle_type="van")
    states.set_state(driver, "available", vehicle_type="bus")
    assert len(events_of(driver)) == 1
    assert announced == [[driver], [driver]]


def test_events_of_a_deleted_driver_are_deleted(driver, other_driver):
    for each in (driver, other_driver):
        states.set_state(each, "available")
    get_user_model().objects.get(pk=driver).delete()
    assert [row.driver_id for row in Event.objects.all()] == [other_driver]
