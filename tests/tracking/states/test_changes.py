"""Changes of a driver's state: which are allowed, and what is kept of them."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import states
from tracking.models import DriverLocation, DriverState, DriverStateChange, State

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

# Mobility Data Specification 2.0, "Vehicle State Machine" of passenger services. Its `stopped` is
# `reserved` before the riders are in the car, and `on_trip` afterwards.
ALLOWED = {
    ("non_operational", "available"),
    ("available", "non_operational"),
    ("available", "reserved"),
    ("reserved", "available"),
    ("reserved", "on_trip"),
    ("on_trip", "available"),
}
EVENTS = {
    ("non_operational", "available"): "service_start",
    ("available", "non_operational"): "service_end",
    ("available", "reserved"): "reservation_start",
    ("reserved", "available"): "provider_cancellation",
    ("reserved", "on_trip"): "trip_start",
    ("on_trip", "available"): "trip_end",
}


def locate(driver_id, latitude=1.5, longitude=2.5):
    now = timezone.now()
    return DriverLocation.objects.create(
        driver_id=driver_id,
        latitude=latitude,
        longitude=longitude,
        recorded_at=now,
        received_at=now,
    )


def test_every_change_of_the_table_is_allowed_and_no_other(new_drivers):
    pairs = list(permutations(State.values, 2))
    for driver_id, (old, new) in zip(new_drivers(len(pairs)), pairs, strict=True):
        states.set_state(driver_id, old)
        if (old, new) in ALLOWED:
            states.set_state(driver_id, new)
            change = DriverStateChange.objects.filter(driver=driver_id).latest("pk")
            assert (change.previous, change.state) == (old, new)
            assert change.reason == EVENTS[old, new]
            assert states.state_of(driver_id).state == new
        else:
            with pytest.raises(states.StateConflict) as caught:
                states.set_state(driver_id, new)
            assert (caught.value.driver_id, caught.value.state) == (driver_id, old)
            assert caught.value.trip is None
            assert states.state_of(driver_id).state == old
            assert DriverStateChange.objects.filter(driver=driver_id).count() == 1


def test_refusal_says_what_the_driver_is(driver):
    states.set_state(driver, "non_operational")
    with pytest.raises(states.StateConflict, match="A driver who is off duty can't become on a"):
        states.set_state(driver, "on_trip")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("available", "service_start"),
        ("non_operational", "service_end"),
        ("reserved", "reservation_start"),
        ("on_trip", "trip_start"),
    ],
)
def test_first_state_may_be_any(driver, state, reason):
    assert states.state_of(driver) is None
    states.set_state(driver, state)
    assert states.state_of(driver).state == state
    change = DriverStateChange.objects.get()
    assert (change.previous, change.state, change.reason) == ("", state, reason)


@pytest.mark.parametrize("state", State.values)
def test_setting_the_same_state_again_is_no_change(driver, state):
    states.set_state(driver, state)
    before = DriverState.objects.values().get()
    states.set_state(driver, state, reason="again", place=(5, 6))
    assert DriverState.objects.values().get() == before
    assert DriverStateChange.objects.count() == 1


def test_change_keeps_time_place_reason_and_author(driver, rider, monkeypatch):
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    dispatcher = get_user_model().objects.get(pk=rider)
    row = states.set_state(driver, "available", reason="early shift", place=(-1.5, 2), by=rider)
    assert row.since == now
    now += timedelta(hours=8)
    states.set_state(
        get_user_model().objects.get(pk=driver), "non_operational", place=(3, -4.25), by=dispatcher
    )
    first, second = DriverStateChange.objects.order_by("pk").values_list(
        "changed_at", "latitude", "longitude", "reason", "changed_by"
    )
    assert first == (now - timedelta(hours=8), -1.5, 2.0, "early shift", rider)
    assert second == (now, 3.0, -4.25, "service_end", rider)


def test_change_without_a_place_is_where_the_driver_was_last_seen(driver):
    locate(driver)
    states.set_state(driver, "available")
    change = DriverStateChange.objects.get()
    assert (change.latitude, change.longitude) == (1.5, 2.5)


def test_change_of_a_driver_without_a_location_has_no_place(driver):
    states.set_state(driver, "available")
    change = DriverStateChange.objects.get()
    assert (change.latitude, change.longitude) == (None, None)


def test_off_duty_deletes_the_last_known_location_and_keeps_the_place(driver, other_driver):
    locate(driver)
    locate(other_driver)
    states.set_state(driver, "available")
    assert DriverLocation.objects.filter(pk=driver).exists()
    states.set_state(driver, "non_operational")
    assert list(DriverLocation.objects.values_list("pk", flat=True)) == [other_driver]
    change = DriverStateChange.objects.latest("pk")
    assert (change.latitude, change.longitude) == (1.5, 2.5)


def test_location_that_was_stored_off_duty_is_deleted_when_the_shift_begins(driver):
    states.set_state(driver, "non_operational")
    # By a worker that did not know of it yet.
    locate(driver)
    assert not DriverLocation.objects.filter(states.on_duty()).exists()
    states.set_state(driver, "available")
    assert not DriverLocation.objects.exists()


def test_changes_within_a_shift_leave_the_location_alone(driver):
    locate(driver)
    for state in ("available", "reserved", "on_trip", "available"):
        states.set_state(driver, state)
        assert DriverLocation.objects.filter(states.on_duty()).get().pk == driver


def test_time_off_duty_is_noted(driver):
    row = states.set_state(driver, "available")
    assert (row.off_duty_from, row.off_duty_until) == (None, None)
    off = states.set_state(driver, "non_operational")
    assert (off.off_duty_from, off.off_duty_until) == (off.since, None)
    on = states.set_state(driver, "available")
    assert (on.off_duty_from, on.off_duty_until) == (off.since, on.since)
    states.set_state(driver, "reserved")
    row = states.state_of(driver)
    assert (row.off_duty_from, row.off_duty_until) == (off.since, on.since)


def test_the_ends_of_the_last_five_shifts_are_kept(driver):
    for number in range(7):
        states.set_state(driver, "available", place=(number, 1))
        states.set_state(driver, "non_operational", place=(number, 2))
    row = states.state_of(driver)
    assert row.shifts_ended_at == [[6, 2], [5, 2], [4, 2], [3, 2], [2, 2]]
    # A shift whose end nobody knows.
    states.set_state(driver, "available")
    states.set_state(driver, "non_operational")
    assert states.state_of(driver).shifts_ended_at == row.shifts_ended_at


def test_begin_of_a_shift_is_noted_with_its_first_fix(driver):
    states.set_state(driver, "available")
    assert states.state_of(driver).shift_began_at is None
    states.note_place(driver, 1.5, -2.5)
    states.note_place(driver, 8, 9)
    states.set_state(driver, "reserved")
    assert states.state_of(driver).shift_began_at == [1.5, -2.5]
    begin = DriverStateChange.objects.earliest("pk")
    assert (begin.latitude, begin.longitude) == (1.5, -2.5)
    states.set_state(driver, "available")
    states.set_state(driver, "non_operational")
    states.note_place(driver, 8, 9)
    states.set_state(driver, "available")
    assert states.state_of(driver).shift_began_at is None
    states.note_place(driver, 3, 4)
    assert states.state_of(driver).shift_began_at == [3, 4]


def test_begin_of_a_shift_with_a_place_keeps_it(driver):
    states.set_state(driver, "available", place=(1, 2))
    states.note_place(driver, 8, 9)
    assert states.state_of(driver).shift_began_at == [1, 2]
    begin = DriverStateChange.objects.get()
    assert (begin.latitude, begin.longitude) == (1, 2)


def test_vehicle_type_is_kept_until_another_is_given(driver):
    states.set_state(driver, "available", vehicle_type="van")
    states.set_state(driver, "reserved")
    assert states.state_of(driver).vehicle_type == "van"
    states.set_state(driver, "reserved", vehicle_type="taxi")
    assert states.state_of(driver).vehicle_type == "taxi"
    states.set_state(driver, "available", vehicle_type="")
    assert states.state_of(driver).vehicle_type == ""


def test_refused_change_keeps_the_vehicle_type(driver):
    states.set_state(driver, "available", vehicle_type="van")
    with pytest.raises(states.StateConflict):
        states.set_state(driver, "on_trip", vehicle_type="bus")
    assert states.state_of(driver).vehicle_type == "van"


def test_changes_go_with_a_deleted_driver(driver):
    states.set_state(driver, "available")
    get_user_model().objects.get(pk=driver).delete()
    assert not DriverState.objects.exists()
    assert not DriverStateChange.objects.exists()


def test_changes_still_name_a_deleted_author(driver, rider):
    states.set_state(driver, "available", by=rider)
    get_user_model().objects.get(pk=rider).delete()
    assert DriverStateChange.objects.get().changed_by_id == rider
