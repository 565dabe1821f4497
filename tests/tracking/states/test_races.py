"""States that are set at the same moment, by transactions of their own."""

from functools import partial

import pytest

from tests.tracking.threads import together
from tracking import states
from tracking.models import DriverState, DriverStateChange

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

ROUNDS = 15


def kept(driver_id):
    """Return the changes of a driver's state as pairs of states."""
    changes = DriverStateChange.objects.filter(driver=driver_id).order_by("pk")
    return list(changes.values_list("previous", "state"))


def test_first_state_set_twice_at_once_is_one_change(database, new_drivers):
    for driver_id in new_drivers(ROUNDS):
        call = partial(states.set_state, driver_id, "available")
        rows = together(database, call, call, call)
        assert [str(row) for row in rows] == [f"driver {driver_id}: available"] * 3
        assert kept(driver_id) == [("", "available")]


def test_two_first_states_at_once_follow_each_other(database, new_drivers):
    for driver_id in new_drivers(ROUNDS):
        rows = together(
            database,
            partial(states.set_state, driver_id, "available"),
            partial(states.set_state, driver_id, "non_operational"),
        )
        # Either may follow the other.
        assert [type(row) for row in rows] == [DriverState] * 2, rows
        assert kept(driver_id) in (
            [("", "available"), ("available", "non_operational")],
            [("", "non_operational"), ("non_operational", "available")],
        )


def test_changes_that_exclude_each_other_succeed_once(database, new_drivers):
    for driver_id in new_drivers(ROUNDS):
        states.set_state(driver_id, "available")
        results = together(
            database,
            partial(states.set_state, driver_id, "reserved"),
            partial(states.set_state, driver_id, "non_operational"),
        )
        refused = [each for each in results if isinstance(each, states.StateConflict)]
        assert len(refused) == 1, results
        now = DriverState.objects.get(pk=driver_id).state
        assert refused[0].state == now
        assert kept(driver_id) == [("", "available"), ("available", now)]
