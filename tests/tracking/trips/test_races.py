"""Dispatchers who do the same at the same moment, in transactions of their own."""

from functools import partial

import pytest

from tests.tracking.threads import together
from tracking import states, trips
from tracking.models import DriverState, State, Trip, TripAssignment, TripStatus, WatchGrant
from tracking.models.trip import FINAL

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

ROUNDS = 12


@pytest.fixture
def riders(new_user):
    return [new_user("rider") for _ in range(2)]


@pytest.fixture
def drivers(new_user):
    return [new_user("driver") for _ in range(2)]


def new_trips(riders, drivers=(None, None)):
    return [
        trips.create(riders=[rider], driver=driver)
        for rider, driver in zip(riders, drivers, strict=True)
    ]


def state_of(driver):
    row = states.state_of(driver)
    return row.state, row.trip_id


def drivers_of(*rows):
    return [Trip.objects.get(pk=row.pk).driver_id for row in rows]


def one_error(results, kind):
    """Return the error of the one call that failed; the others succeeded."""
    failed = [each for each in results if isinstance(each, Exception)]
    assert [type(each) for each in failed] == [kind], results
    return failed[0]


def assert_consistent():
    """Assert that exactly the drivers of open trips are reserved, watched and assigned."""
    open_trips = Trip.objects.filter(ended_at=None).exclude(driver=None)
    expected = set(open_trips.values_list("driver_id", "pk"))
    busy = DriverState.objects.filter(state__in=[State.RESERVED, State.ON_TRIP])
    assert set(busy.values_list("driver_id", "trip_id")) == expected
    assert not DriverState.objects.exclude(pk__in=busy.values("pk")).exclude(trip=None).exists()
    assigned = TripAssignment.objects.filter(until=None)
    assert sorted(assigned.values_list("driver_id", "trip_id")) == sorted(expected)
    grants = WatchGrant.objects.filter(ended_at=None).values_list("driver_id", "watcher", "trip_id")
    riders = set(open_trips.values_list("driver_id", "riders", "pk"))
    assert sorted(grants) == sorted(riders)


def end_all():
    for trip in Trip.objects.exclude(status__in=FINAL):
        trips.cancel(trip)
    assert_consistent()


@pytest.mark.parametrize("has_state", [True, False])
def test_driver_assigned_to_two_trips_at_once_gets_one(database, riders, new_user, has_state):
    for _ in range(ROUNDS):
        driver = new_user("driver")
        if has_state:
            states.set_state(driver, "available")
        first, second = new_trips(riders)
        results = together(
            database, partial(trips.assign, first, driver), partial(trips.assign, second, driver)
        )
        error = one_error(results, trips.DriverTaken)
        won, lost = (first, second) if results[0] is not error else (second, first)
        assert (error.trip, error.driver_id) == (won, driver.pk)
        assert drivers_of(won, lost) == [driver.pk, None]
        assert state_of(driver) == ("reserved", won.pk)
        assert_consistent()
        end_all()
        assert state_of(driver) == ("available", None)


def test_two_trips_created_for_one_driver_at_once_are_one(database, riders, new_user):
    for _ in range(ROUNDS):
        driver = new_user("driver")
        before = Trip.objects.count()
        results = together(
            database, *(partial(trips.create, riders=[each], driver=driver) for each in riders)
        )
        one_error(results, trips.DriverTaken)
        assert Trip.objects.count() == before + 1
        assert_consistent()


def test_one_trip_assigned_to_two_drivers_at_once_has_the_last(database, riders, new_user):
    for _ in range(ROUNDS):
        drivers = new_user("driver"), new_user("driver")
        trip = trips.create(riders=riders)
        results = together(database, *(partial(trips.assign, trip, each) for each in drivers))
        assert {each.driver_id for each in results} == {each.pk for each in drivers}
        last = max(results, key=lambda each: each.version)
        assert drivers_of(trip) == [last.driver_id]
        changes = trip.changes.order_by("version").values_list("version", "driver")
        assert [version for version, _ in changes] == [1, 2, 3]
        assert changes[2][1] == last.driver_id
        assert_consistent()


def test_driver_who_goes_off_duty_while_assigned_is_one_of_both(database, riders, drivers):
    driver = drivers[0]
    for _ in range(ROUNDS):
        states.set_state(driver, "available")
        trip = trips.create(riders=riders)
        results = together(
            database,
            partial(trips.assign, trip, driver),
            partial(states.set_state, driver, "non_operational"),
        )
        if isinstance(results[1], states.StateConflict):
            assert results[1].trip == trip
            assert drivers_of(trip) == [driver.pk]
        else:
            error = one_error(results, trips.DriverUnavailable)
            assert (error.driver_id, error.state) == (driver.pk, "non_operational")
            assert drivers_of(trip) == [None]
        assert_consistent()
        end_all()


def test_trip_completed_while_reassigned_leaves_nobody_reserved(database, riders, drivers):
    old, new = drivers
    for _ in range(ROUNDS):
        trip = trips.create(riders=riders, driver=old)
        completed, assigned = together(
            database, partial(trips.complete, trip), partial(trips.assign, trip, new)
        )
        assert completed.status == TripStatus.COMPLETE
        if isinstance(assigned, trips.TripOver):
            assert completed.driver_id == old.pk
        else:
            assert completed.driver_id == assigned.driver_id == new.pk
        assert [state_of(each) for each in drivers if states.state_of(each)] in (
            [("available", None)],
            [("available", None)] * 2,
        )
        assert_consistent()


def test_trip_completed_and_canceled_at_once_ends_once(database, riders, drivers):
    for _ in range(ROUNDS):
        trip = trips.create(riders=riders, driver=drivers[0])
        results = together(database, partial(trips.complete, trip), partial(trips.cancel, trip))
        one_error(results, trips.TripOver)
        assert trip.changes.count() == 2
        assert state_of(drivers[0]) == ("available", None)
        assert_consistent()


def test_trip_completed_twice_at_once_changes_once(database, riders, drivers):
    for _ in range(ROUNDS):
        trip = trips.create(riders=riders, driver=drivers[0])
        results = together(database, *[partial(trips.complete, trip)] * 3)
        assert [each.version for each in results] == [2, 2, 2]
        assert trip.changes.count() == 2


def test_two_trips_that_swap_drivers_at_once_never_deadlock(database, riders, drivers):
    for _ in range(ROUNDS):
        first, second = new_trips(riders, drivers)
        results = together(
            database,
            partial(trips.assign, first, drivers[1]),
            partial(trips.assign, second, drivers[0]),
        )
        # Each driver has a trip when it is wanted for the other.
        assert [type(each) for each in results] == [trips.DriverTaken] * 2, results
        assert [each.trip for each in results] == [second, first]
        assert drivers_of(first, second) == [each.pk for each in drivers]
        assert_consistent()
        end_all()


def test_three_trips_that_rotate_through_drivers_never_deadlock(database, riders, new_user):
    """With one driver free, so that reassignments can succeed in some orders."""
    drivers = [new_user("driver") for _ in range(4)]
    for _ in range(ROUNDS):
        mine = [trips.create(riders=riders, driver=each) for each in drivers[:3]]
        results = together(
            database,
            *(
                partial(trips.assign, trip, drivers[(number + 1) % 4])
                for number, trip in enumerate(mine)
            ),
        )
        assert all(isinstance(each, Trip | trips.DriverTaken) for each in results), results
        # The third wanted the free one.
        assert isinstance(results[2], Trip)
        assert_consistent()
        end_all()
