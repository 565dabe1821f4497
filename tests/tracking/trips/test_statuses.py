"""Statuses of trips, and their ends."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tracking import states, trips
from tracking.models import DriverStateChange, Trip, TripChange, TripStatus, WatchGrant

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
UNDERWAY = [
    "enroute_to_intermediate_destination",
    "arrived_at_intermediate_destination",
    "enroute_to_dropoff",
]
BEFORE = ["new", "enroute_to_pickup", "arrived_at_pickup"]
ORDER = [*BEFORE, *UNDERWAY]


@pytest.fixture
def driver(new_user):
    return new_user("driver")


@pytest.fixture
def rider(new_user):
    return new_user("rider")


@pytest.fixture
def trip(driver, rider):
    return trips.create(riders=[rider], driver=driver)


def state_of(driver):
    row = states.state_of(driver)
    return row.state, row.trip_id


def test_driver_is_on_the_trip_once_the_riders_are_in_the_car(trip, driver):
    for status in BEFORE:
        trips.set_status(trip, status)
        assert state_of(driver) == ("reserved", trip.pk)
    for status in UNDERWAY:
        trips.set_status(trip, status)
        assert state_of(driver) == ("on_trip", trip.pk)
    change = DriverStateChange.objects.latest("pk")
    assert (change.previous, change.state, change.reason) == ("reserved", "on_trip", "trip_start")
    assert change.trip == trip


@pytest.mark.parametrize("status", UNDERWAY)
def test_statuses_may_be_left_out(trip, driver, status):
    trips.set_status(trip, status)
    assert state_of(driver) == ("on_trip", trip.pk)


def test_same_status_again_is_no_change(trip):
    before = trips.set_status(trip, "arrived_at_pickup").version
    assert trips.set_status(trip.pk, TripStatus.ARRIVED_AT_PICKUP).version == before
    assert TripChange.objects.count() == before == 2


def test_status_may_go_back_unless_forbidden(trip, driver):
    trips.set_status(trip, "enroute_to_dropoff")
    with pytest.raises(trips.StatusConflict, match="can't go back"):
        trips.set_status(trip, "enroute_to_pickup", forward_only=True)
    assert trips.set_status(trip, "enroute_to_pickup").status == "enroute_to_pickup"
    # The specification has no way back to `reserved`.
    assert state_of(driver) == ("on_trip", trip.pk)


def test_forward_only_allows_each_status_after_the_present_one(trip):
    for status in ORDER:
        assert trips.set_status(trip, status, forward_only=True).status == status


@pytest.mark.parametrize(("after", "before"), [(b, a) for a, b in pairwise(ORDER)])
def test_forward_only_refuses_the_status_before(trip, after, before):
    trips.set_status(trip, after)
    if (after, before) == (UNDERWAY[1], UNDERWAY[0]):
        # From one stop to the next.
        assert trips.set_status(trip, before, forward_only=True).status == before
    else:
        with pytest.raises(trips.StatusConflict):
            trips.set_status(trip, before, forward_only=True)


@pytest.mark.parametrize("status", ["new", "arrived_at_pickup", "complete"])
def test_former_driver_changes_nothing(trip, driver, new_user, status):
    trips.set_status(trip, "enroute_to_pickup", driver=driver)
    other = new_user("driver")
    trips.assign(trip, other)
    with pytest.raises(trips.StatusConflict, match="another driver by now"):
        trips.set_status(trip, status, forward_only=True, driver=driver.pk)
    trip.refresh_from_db()
    assert (trip.status, trip.driver, trip.version) == ("new", other, 3)


@pytest.mark.parametrize("status", [*ORDER[1:], "complete"])
def test_trip_without_a_driver_has_no_other_status(rider, status):
    trip = trips.create(riders=[rider])
    with pytest.raises(trips.StatusConflict, match="no driver yet"):
        trips.set_status(trip, status)
    assert trips.set_status(trip, "new").version == 1


@pytest.mark.parametrize("status", ["", "cancelled", "Complete", "enroute"])
def test_unknown_status(trip, status):
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.set_status(trip, status)
    (text,) = caught.value.reasons["status"]
    assert text.startswith("Give one of: new, enroute_to_pickup, ")


def test_reason_too_long(trip):
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.set_status(trip, "complete", reason="r" * 101)
    assert caught.value.reasons == {"reason": ["Give at most 100 characters."]}
    assert not trips.complete(trip, reason="r" * 100).changes.filter(reason="").count() > 1


# Ends


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [(trips.complete, "complete", "trip_end"), (trips.cancel, "canceled", "provider_cancellation")],
)
def test_end_is_kept(trip, driver, rider, monkeypatch, end, status, reason):
    later = NOW + timedelta(days=900)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    ended = end(trip, by=rider)
    assert (ended.status, ended.ended_at, ended.is_over) == (status, later, True)
    # Who drove it stays known.
    assert ended.driver == driver
    assert state_of(driver) == ("available", None)
    grant = WatchGrant.objects.get()
    assert (grant.ended_at, grant.ended_by) == (later, rider)
    assert trip.assignments.get().until == later
    change = trip.changes.latest("version")
    assert (change.version, change.status, change.driver, change.reason) == (2, status, driver, "")
    assert change.changed_by == rider
    assert DriverStateChange.objects.latest("pk").reason == reason


@pytest.mark.parametrize("end", [trips.complete, trips.cancel])
def test_ending_again_is_no_change(trip, end):
    ended = end(trip, reason="first")
    again = end(trip, reason="second")
    assert (again.ended_at, again.version) == (ended.ended_at, 2)
    assert TripChange.objects.count() == 2


@pytest.mark.parametrize("end", [trips.complete, trips.cancel])
def test_end_is_final(trip, new_user, end):
    end(trip)
    other = new_user("driver")
    for refused in (
        lambda: (trips.cancel if end is trips.complete else trips.complete)(trip),
        lambda: trips.set_status(trip, "new"),
        lambda: trips.assign(trip, other),
        lambda: trips.assign(trip, None),
    ):
        with pytest.raises(trips.TripOver) as caught:
            refused()
        assert caught.value.trip == trip
    assert states.state_of(other) is None
    assert TripChange.objects.count() == 2


def test_waiting_trip_can_be_canceled(rider):
    trip = trips.cancel(trips.create(riders=[rider]), reason="no driver found")
    assert (trip.status, trip.driver) == ("canceled", None)
    assert trip.changes.latest("version").reason == "no driver found"


def test_driver_can_have_the_next_trip_at_once(trip, driver, rider):
    trips.complete(trip)
    following = trips.create(riders=[rider], driver=driver)
    assert state_of(driver) == ("reserved", following.pk)
    live = WatchGrant.objects.filter(ended_at=None)
    assert [grant.trip for grant in live] == [following]


def test_trip_that_does_not_exist():
    with pytest.raises(Trip.DoesNotExist):
        trips.complete(900_019)
