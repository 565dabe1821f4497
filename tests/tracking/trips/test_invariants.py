"""Whatever dispatchers, drivers and the host do: trips, states, grants and histories agree."""

from itertools import pairwise

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tracking import states, trips
from tracking.models import (
    DriverState,
    DriverStateChange,
    State,
    Trip,
    TripAssignment,
    TripStatus,
    WatchGrant,
)

pytestmark = pytest.mark.django_db(databases=["default", "postgresql"])

DRIVERS, RIDERS = range(1, 4), range(11, 14)
REFUSALS = (trips.TripConflict, trips.InvalidTrip, states.StateConflict)


class Dispatching(RuleBasedStateMachine):
    """Few drivers for many trips, so that every kind of conflict occurs."""

    trips = Bundle("trips")

    def __init__(self):
        super().__init__()
        self._transaction = transaction.atomic(using=self.database)
        self._transaction.__enter__()
        people = get_user_model().objects
        for id_ in DRIVERS:
            people.create(pk=id_, email=f"{id_}@example.com", role="driver")
        for id_ in RIDERS:
            people.create(pk=id_, email=f"{id_}@example.com")

    def teardown(self):
        transaction.set_rollback(True, using=self.database)
        self._transaction.__exit__(None, None, None)

    def attempt(self, function, *arguments, **options):
        """Call it, and return what it returns; a refusal changes nothing."""
        before = everything()
        try:
            return function(*arguments, **options)
        except REFUSALS:
            assert everything() == before
            return None

    @rule(
        target=trips,
        riders=st.sets(st.sampled_from([*RIDERS, DRIVERS[0]])),
        driver=st.none() | st.sampled_from(DRIVERS),
    )
    def create(self, riders, driver):
        trip = self.attempt(trips.create, riders=riders, driver=driver)
        return multiple() if trip is None else trip.pk

    @rule(trip=trips, driver=st.none() | st.sampled_from([*DRIVERS, RIDERS[0]]))
    def assign(self, trip, driver):
        self.attempt(trips.assign, trip, driver)

    @rule(trip=trips, vehicle=st.sampled_from(["", "van"]))
    def describe(self, trip, vehicle):
        driver = Trip.objects.get(pk=trip).driver_id
        self.attempt(trips.assign, trip, driver, vehicle=vehicle)

    @rule(trip=trips, status=st.sampled_from(TripStatus.values), forward_only=st.booleans())
    def set_status(self, trip, status, forward_only):
        self.attempt(trips.set_status, trip, status, forward_only=forward_only)

    @rule(driver=st.sampled_from(DRIVERS), state=st.sampled_from(State.values))
    def set_state(self, driver, state):
        self.attempt(states.set_state, driver, state)

    @invariant()
    def exactly_the_drivers_of_open_trips_have_a_trip(self):
        of_trips = Trip.objects.filter(ended_at=None).exclude(driver=None)
        of_drivers = DriverState.objects.exclude(trip=None)
        assert set(of_trips.values_list("driver", "pk")) == set(
            of_drivers.values_list("pk", "trip")
        )
        for row in of_drivers:
            assert row.state in (State.RESERVED, State.ON_TRIP)

    @invariant()
    def exactly_the_drivers_of_open_trips_are_assigned_and_watched(self):
        for trip in Trip.objects.all():
            is_driven = trip.driver_id is not None and not trip.is_over
            assert (trip.ended_at is not None) == trip.is_over
            assigned = TripAssignment.objects.filter(trip=trip, until=None)
            assert [each.driver_id for each in assigned] == [trip.driver_id] * is_driven
            grants = WatchGrant.objects.filter(trip=trip, ended_at=None)
            riders = trip.riders.order_by("pk").values_list("pk", flat=True)
            expected = [(trip.driver_id, rider) for rider in riders] if is_driven else []
            assert list(grants.order_by("watcher").values_list("driver", "watcher")) == expected

    @invariant()
    def histories_of_trips_have_no_gaps(self):
        for trip in Trip.objects.all():
            changes = list(trip.changes.order_by("version"))
            assert [change.version for change in changes] == list(range(1, trip.version + 1))
            assert (changes[-1].status, changes[-1].driver_id) == (trip.status, trip.driver_id)
            assert not any(change.status in ("complete", "canceled") for change in changes[:-1])

    @invariant()
    def histories_of_drivers_have_no_gaps(self):
        for row in DriverState.objects.all():
            changes = list(DriverStateChange.objects.filter(driver=row.pk).order_by("pk"))
            assert changes[0].previous == ""
            for before, after in pairwise(changes):
                assert after.previous == before.state
                assert after.state in states.ALLOWED[before.state]
            assert (changes[-1].state, changes[-1].trip_id) == (row.state, row.trip_id)
            assert changes[-1].changed_at == row.since

    @invariant()
    def assignments_follow_each_other(self):
        for trip in Trip.objects.all():
            for before, after in pairwise(trip.assignments.order_by("since", "pk")):
                assert before.until is not None
                assert before.since <= before.until <= after.since


def everything():
    """Return all rows of states and trips."""
    models = (Trip, TripAssignment, DriverState, DriverStateChange, WatchGrant)
    return [list(model.objects.order_by("pk").values_list()) for model in models]


@pytest.mark.long
def test_trips_states_grants_and_histories_agree(database):
    class OnThisDatabase(Dispatching):
        pass

    OnThisDatabase.database = database
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            # Shrinking a failure would take minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
