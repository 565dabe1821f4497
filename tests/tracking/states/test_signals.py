"""The signal `driver_state_changed` and the notices to workers: after the commit, or never."""

import pytest
from django.db import transaction

from tracking import states
from tracking.models import DriverState, State
from tracking.signals import driver_state_changed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def received(announced):
    """Return the log of signals, each with the number of notices that were sent before it."""
    log = []

    def receive(sender, signal, **facts):
        assert sender is DriverState
        log.append((facts, len(announced)))

    driver_state_changed.connect(receive)
    yield log
    driver_state_changed.disconnect(receive)


def facts(driver_id, state, previous):
    return {"driver_id": driver_id, "state": state, "previous": previous, "trip_id": None}


def test_signal_tells_state_and_previous_state(driver, received, announced):
    states.set_state(driver, "available")
    states.set_state(driver, "non_operational")
    # Workers are notified first: a receiver may be slow.
    assert received == [
        (facts(driver, State.AVAILABLE, None), 1),
        (facts(driver, State.NON_OPERATIONAL, State.AVAILABLE), 2),
    ]
    assert announced == [[driver], [driver]]
    assert isinstance(received[0][0]["state"], State)


def test_signal_is_sent_after_the_commit(driver, received, announced):
    with transaction.atomic():
        states.set_state(driver, "available")
        states.set_state(driver, "reserved")
        assert (received, announced) == ([], [])
    assert [each["state"] for each, _ in received] == ["available", "reserved"]


def test_nothing_is_sent_after_a_rollback(driver, received, announced):
    with transaction.atomic():
        states.set_state(driver, "available")
        transaction.set_rollback(True)
    assert (received, announced) == ([], [])
    assert states.state_of(driver) is None


def test_nothing_is_sent_for_the_same_state_or_a_refusal(driver, received, announced):
    states.set_state(driver, "available")
    states.set_state(driver, "available")
    with pytest.raises(states.StateConflict):
        states.set_state(driver, "on_trip")
    assert len(received) == len(announced) == 1


def test_new_vehicle_type_alone_notifies_workers_without_a_signal(driver, received, announced):
    states.set_state(driver, "available", vehicle_type="van")
    states.set_state(driver, "available", vehicle_type="bus")
    assert len(received) == 1
    assert announced == [[driver], [driver]]


def test_receiver_that_raises_disturbs_neither_the_caller_nor_other_receivers(driver, caplog):
    log = []

    def fail(**facts):
        raise ZeroDivisionError

    def receive(state, **facts):
        log.append(state)

    driver_state_changed.connect(fail)
    driver_state_changed.connect(receive)
    try:
        states.set_state(driver, "available")
    finally:
        driver_state_changed.disconnect(fail)
        driver_state_changed.disconnect(receive)
    assert log == ["available"]
    assert states.state_of(driver).state == "available"
    assert "ZeroDivisionError" in caplog.text


def test_receiver_may_set_the_next_state(driver):
    """As a host would that reserves drivers by itself."""

    def reserve(state, driver_id, **facts):
        if state == State.AVAILABLE:
            states.set_state(driver_id, "reserved")

    driver_state_changed.connect(reserve)
    try:
        states.set_state(driver, "available")
    finally:
        driver_state_changed.disconnect(reserve)
    assert states.state_of(driver).state == "reserved"
