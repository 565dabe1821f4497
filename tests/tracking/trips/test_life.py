"""The life of a trip, with its driver's state and its riders' grants."""

import pytest

from tracking import states, trips
from tracking.models import DriverState, State, TripStatus, WatchGrant


@pytest.fixture
def driver(new_user):
    return new_user("driver")


@pytest.fixture
def rider(new_user):
    return new_user("rider")


def test_whole_life_of_a_trip(driver, rider):
    states.set_state(driver, "available")
    trip = trips.create(
        riders=[rider],
        reference="T-7",
        waypoints=[
            {"kind": "pickup", "lat": "1.5", "lon": 2},
            {"kind": "dropoff", "lat": 2, "lon": 3},
        ],
    )
    assert trip.status == TripStatus.NEW
    trip = trips.assign(trip, driver)
    state = DriverState.objects.get(pk=driver.pk)
    assert (state.state, state.trip_id) == (State.RESERVED, trip.pk)
    grant = WatchGrant.objects.get(driver=driver, watcher=rider)
    assert grant.reference == "T-7"
    assert grant.ended_at is None
    for status in ("enroute_to_pickup", "arrived_at_pickup", "enroute_to_dropoff"):
        trip = trips.set_status(trip, status)
    assert states.state_of(driver).state == State.ON_TRIP
    trip = trips.complete(trip)
    assert trip.is_over
    assert states.state_of(driver).state == State.AVAILABLE
    grant.refresh_from_db()
    assert grant.ended_at is not None
    assert [change.status for change in trip.changes.order_by("version")] == [
        "new",
        "new",
        "enroute_to_pickup",
        "arrived_at_pickup",
        "enroute_to_dropoff",
        "complete",
    ]


def test_driver_of_another_trip_is_taken(driver, rider):
    first = trips.create(riders=[rider], driver=driver)
    second = trips.create(riders=[rider])
    with pytest.raises(trips.DriverTaken) as caught:
        trips.assign(second, driver)
    assert caught.value.trip == first


def test_reassigning_frees_the_former_driver(driver, rider, new_user):
    other = new_user("driver")
    trip = trips.create(riders=[rider], driver=driver)
    trips.assign(trip, other)
    assert states.state_of(driver).state == State.AVAILABLE
    assert states.state_of(other).state == State.RESERVED
    live = WatchGrant.objects.filter(watcher=rider, ended_at=None)
    assert [grant.driver_id for grant in live] == [other.pk]


def test_driver_off_duty_gets_no_trip(driver, rider):
    states.set_state(driver, "non_operational")
    trip = trips.create(riders=[rider])
    with pytest.raises(trips.DriverUnavailable):
        trips.assign(trip, driver)


def test_trip_of_a_deleted_driver_waits_for_another(driver, rider, new_user):
    trip = trips.create(riders=[rider], driver=driver)
    trips.set_status(trip, "enroute_to_pickup")
    driver.delete()
    trip.refresh_from_db()
    assert (trip.status, trip.driver_id, trip.assigned_at) == (TripStatus.NEW, None, None)
    assert trip.changes.order_by("-version").first().reason == "driver deleted"
    trips.assign(trip, new_user("driver"))
