"""Giving trips to drivers, and the grants of the riders."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import revocation, states, trips
from tracking.models import DriverState, DriverStateChange, Trip, TripChange, WatchGrant

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def driver(new_user):
    return new_user("driver")


@pytest.fixture
def other(new_user):
    return new_user("driver")


@pytest.fixture
def riders(new_user):
    return [new_user("rider"), new_user("rider")]


@pytest.fixture
def rechecked(monkeypatch):
    """Return the log of rechecks: the user ids of each call."""
    calls = []
    monkeypatch.setattr(revocation, "recheck", lambda user_ids: calls.append(set(user_ids)))
    return calls


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock, and return a list whose only item is its time."""
    clock = [NOW]
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock[0])
    return clock


def live(driver):
    grants = WatchGrant.objects.filter(driver=driver, ended_at=None)
    return sorted(grants.values_list("watcher", flat=True))


def state_of(driver):
    row = states.state_of(driver)
    return row and (row.state, row.trip_id)


def counts():
    return [model.objects.count() for model in (TripChange, DriverStateChange, WatchGrant)]


def test_assigning_reserves_the_driver_and_opens_a_grant_for_each_rider(driver, riders, clock):
    trip = trips.create(riders=riders, reference="T-7")
    clock[0] += HOUR
    trip = trips.assign(trip, driver, by=riders[0])
    assert (trip.driver, trip.assigned_at, trip.status, trip.version) == (
        driver,
        NOW + HOUR,
        "new",
        2,
    )
    assert state_of(driver) == ("reserved", trip.pk)
    grants = WatchGrant.objects.order_by("watcher")
    assert [grant.watcher for grant in grants] == riders
    for grant in grants:
        assert (grant.trip, grant.reference, grant.opened_by) == (trip, "T-7", riders[0])
        assert (grant.starts_at, grant.ends_at) == (NOW + HOUR, NOW + HOUR + timedelta(days=1))
    assignment = trip.assignments.get()
    assert (assignment.driver, assignment.since, assignment.until) == (driver, NOW + HOUR, None)
    change = DriverStateChange.objects.get()
    assert (change.trip, change.reason, change.changed_by) == (trip, "reservation_start", riders[0])


def test_trip_without_riders_opens_no_grant(driver):
    trip = trips.create(driver=driver)
    assert state_of(driver) == ("reserved", trip.pk)
    assert not WatchGrant.objects.exists()
    trips.complete(trip)
    assert state_of(driver) == ("available", None)


def test_reassigning_ends_the_former_drivers_part(driver, other, riders, clock):
    trip = trips.create(riders=riders, driver=driver, vehicle="van")
    trips.set_status(trip, "enroute_to_dropoff")
    clock[0] += HOUR
    trip = trips.assign(trip, other, reason="flat tyre")
    assert (trip.status, trip.driver, trip.assigned_at) == ("new", other, NOW + HOUR)
    # It described the former driver's car.
    assert trip.vehicle == ""
    assert state_of(driver) == ("available", None)
    assert state_of(other) == ("reserved", trip.pk)
    assert live(driver) == []
    assert live(other) == [rider.pk for rider in riders]
    assert set(WatchGrant.objects.filter(driver=driver).values_list("ended_at", flat=True)) == {
        NOW + HOUR
    }
    assert list(trip.assignments.order_by("since").values_list("driver", "since", "until")) == [
        (driver.pk, NOW, NOW + HOUR),
        (other.pk, NOW + HOUR, None),
    ]
    newest = trip.changes.latest("version")
    assert (newest.status, newest.driver, newest.reason) == ("new", other, "flat tyre")
    taken = DriverStateChange.objects.filter(driver=driver).latest("pk")
    assert (taken.previous, taken.state, taken.reason) == ("on_trip", "available", "flat tyre")


def test_unassigning_lets_the_trip_wait(driver, other, riders):
    trip = trips.create(riders=riders, driver=driver)
    trips.set_status(trip, "arrived_at_pickup")
    trip = trips.assign(trip, None)
    assert (trip.driver, trip.assigned_at, trip.status) == (None, None, "new")
    assert state_of(driver) == ("available", None)
    assert live(driver) == []
    assert not trip.assignments.filter(until=None).exists()
    reason = DriverStateChange.objects.latest("pk").reason
    assert reason == "provider_cancellation"
    trip = trips.assign(trip, other)
    assert live(other) == [rider.pk for rider in riders]
    assert trip.version == trip.changes.count() == 4


def test_assigning_the_same_driver_again_is_no_change(driver, riders):
    trip = trips.create(riders=riders, driver=driver, vehicle="van")
    trips.set_status(trip, "enroute_to_pickup")
    before = counts()
    assert trips.assign(trip, driver).status == "enroute_to_pickup"
    assert trips.assign(trip.pk, driver.pk, vehicle="van").version == 2
    assert counts() == before


def test_waiting_trip_can_be_unassigned_again_without_a_change(riders):
    trip = trips.create(riders=riders)
    assert trips.assign(trip, None).version == 1
    assert trip.changes.count() == 1


def test_new_vehicle_of_the_same_driver_is_a_change_of_the_trip_alone(driver, riders):
    trip = trips.create(riders=riders, driver=driver, vehicle="van")
    trips.set_status(trip, "enroute_to_pickup")
    changes, states_changes, grants = counts()
    trip = trips.assign(trip, driver, vehicle="red van")
    assert (trip.vehicle, trip.status, trip.version) == ("red van", "enroute_to_pickup", 3)
    assert counts() == [changes + 1, states_changes, grants]


def test_vehicle_given_before_the_first_driver_is_kept(driver, riders):
    trip = trips.create(riders=riders, vehicle="van")
    assert trips.assign(trip, driver).vehicle == "van"


def test_rider_of_the_trip_does_not_drive_it(driver):
    trip = trips.create(riders=[driver])
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.assign(trip, driver)
    assert caught.value.reasons == {"driver": ["This driver is a rider of the trip."]}
    assert state_of(driver) is None


@pytest.mark.parametrize(("name", "most"), [("vehicle", 200), ("reason", 100)])
def test_text_too_long(driver, name, most):
    trip = trips.create()
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.assign(trip, driver, **{name: "x" * (most + 1)})
    assert caught.value.reasons == {name: [f"Give at most {most} characters."]}


def test_user_who_is_no_driver_any_more_gets_no_trip(driver, riders):
    states.set_state(driver, "available")
    get_user_model().objects.filter(pk=driver.pk).update(role="rider")
    trip = trips.create(riders=riders)
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.assign(trip, driver)
    assert "isn't a driver" in caught.value.reasons["driver"][0]
    assert state_of(driver) == ("available", None)


def test_refused_reassignment_leaves_everything_as_it_was(driver, other, riders):
    trip = trips.create(riders=riders, driver=driver)
    taken = trips.create(driver=other)
    before = counts()
    with pytest.raises(trips.DriverTaken) as caught:
        trips.assign(trip, other)
    assert (caught.value.trip, caught.value.driver_id, caught.value.code) == (
        taken,
        other.pk,
        "driver_taken",
    )
    assert str(taken.pk) in str(caught.value)
    assert Trip.objects.get(pk=trip.pk).driver == driver
    assert state_of(driver) == ("reserved", trip.pk)
    assert live(driver) == [rider.pk for rider in riders]
    assert counts() == before


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("non_operational", "is not available, but off duty"),
        ("reserved", "is not available, but reserved"),
        ("on_trip", "is not available, but on a trip"),
    ],
)
def test_driver_whom_the_host_keeps_from_it_gets_no_trip(driver, state, text):
    states.set_state(driver, state)
    with pytest.raises(trips.DriverUnavailable, match=text) as caught:
        trips.create(driver=driver)
    assert (caught.value.state, caught.value.driver_id) == (state, driver.pk)
    assert not Trip.objects.exists()


def test_driver_of_a_trip_keeps_its_state_until_the_trip_gives_it_back(driver, riders):
    trip = trips.create(riders=riders, driver=driver)
    for state in ("available", "non_operational", "on_trip"):
        with pytest.raises(states.StateConflict, match="This driver has a trip") as caught:
            states.set_state(driver, state)
        assert caught.value.trip == trip
    # Already so.
    states.set_state(driver, "reserved")
    assert state_of(driver) == ("reserved", trip.pk)


# How long grants last


@pytest.mark.parametrize(
    ("longest", "trip_ends", "grant_ends"),
    [
        (86_400, None, timedelta(days=1)),
        (3_600, None, HOUR),
        (3_600, HOUR / 2, HOUR / 2),
        (3_600, 2 * HOUR, HOUR),
        (0, None, timedelta(days=1)),
        (0, HOUR, HOUR),
        # Without a limit the trip's own end counts, however late.
        (0, timedelta(days=3), timedelta(days=3)),
    ],
)
def test_grants_end_with_the_limit_or_the_trip(
    settings, clock, driver, riders, longest, trip_ends, grant_ends
):
    settings.TRACKING = settings.TRACKING | {"MAX_GRANT_DURATION": longest}
    trips.create(riders=riders, driver=driver, ends_at=trip_ends and NOW + trip_ends)
    assert {grant.ends_at for grant in WatchGrant.objects.all()} == {NOW + grant_ends}


def test_trip_whose_time_is_over_gets_no_driver(clock, driver, riders):
    trip = trips.create(riders=riders, ends_at=NOW + HOUR)
    clock[0] += HOUR
    with pytest.raises(trips.InvalidTrip) as caught:
        trips.assign(trip, driver)
    assert caught.value.reasons.keys() == {"driver"}
    assert state_of(driver) is None
    trips.cancel(trip)


# Rechecks of the riders' open streams


@pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])
def test_riders_are_checked_again_when_their_grants_change(driver, other, riders, rechecked):
    everybody = {rider.pk for rider in riders}
    trip = trips.create(riders=riders)
    assert rechecked == []
    trips.assign(trip, driver)
    assert rechecked == [everybody]
    trips.assign(trip, other)
    assert rechecked == [everybody] * 3
    trips.set_status(trip, "enroute_to_pickup")
    assert rechecked == [everybody] * 3
    trips.complete(trip)
    assert rechecked == [everybody] * 4


def test_hosts_own_grants_stay(driver, riders):
    """The host may have opened others between the same two people."""
    now = timezone.now()
    own = WatchGrant.objects.create(driver=driver, watcher=riders[0], ends_at=now + HOUR)
    trip = trips.create(riders=riders, driver=driver)
    trips.complete(trip)
    own.refresh_from_db()
    assert own.ended_at is None
    assert live(driver) == [riders[0].pk]


# People who leave


def test_trip_of_a_deleted_driver_can_be_given_to_another(driver, other, riders):
    trip = trips.create(riders=riders, driver=driver)
    driver.delete()
    trip = trips.assign(trip, other)
    assert (trip.driver, live(other)) == (other, [rider.pk for rider in riders])
    assert trips.complete(trip).is_over
    assert not DriverState.objects.exclude(state="available").exists()


def test_trip_of_a_deleted_driver_can_be_canceled(driver, riders):
    trip = trips.create(riders=riders, driver=driver)
    driver.delete()
    assert trips.cancel(trip).is_over


def test_trip_goes_on_without_a_deleted_rider(driver, other, riders):
    trip = trips.create(riders=riders, driver=driver)
    riders[0].delete()
    trips.assign(trip, other)
    assert live(other) == [riders[1].pk]
