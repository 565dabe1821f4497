"""Input that no state is set for: all messages at once, and nothing stored."""

import math

import pytest
from django.contrib.auth import get_user_model

from tracking import states
from tracking.models import DriverState, DriverStateChange

pytestmark = pytest.mark.django_db


def reasons(*arguments, **options):
    with pytest.raises(states.InvalidState) as caught:
        states.set_state(*arguments, **options)
    assert not DriverState.objects.exists()
    assert not DriverStateChange.objects.exists()
    return caught.value.reasons


@pytest.mark.parametrize("state", ["", "Available", "off duty", "non_contactable", "available "])
def test_unknown_state(driver, state):
    assert reasons(driver, state) == {
        "state": ["Give one of: available, reserved, on_trip, non_operational."]
    }


@pytest.mark.parametrize(("name", "most"), [("reason", 100), ("vehicle_type", 50)])
def test_text_too_long(driver, name, most):
    text = "é" * (most + 1)
    assert reasons(driver, "available", **{name: text}) == {
        name: [f"Give at most {most} characters."]
    }
    states.set_state(driver, "available", **{name: text[:most]})
    kept = DriverStateChange.objects.get() if name == "reason" else DriverState.objects.get()
    assert getattr(kept, name) == text[:most]


@pytest.mark.parametrize("name", ["reason", "vehicle_type"])
def test_null_characters(driver, name):
    found = reasons(driver, "available", **{name: "a\0b"})
    assert found == {name: ["Null characters are not allowed."]}


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((90.5, 0), "lat must be between -90 and 90"),
        ((0, -180.5), "lon must be between -180 and 180"),
        ((math.nan, 0), "lat must be between -90 and 90"),
        ((0, math.inf), "lon must be between -180 and 180"),
    ],
)
def test_place_that_is_none(driver, place, text):
    assert reasons(driver, "available", place=place) == {"place": [text]}


def test_all_reasons_are_given_at_once(driver):
    found = reasons(driver, "flying", reason="\0", vehicle_type="v" * 51)
    assert found.keys() == {"state", "reason", "vehicle_type"}


@pytest.mark.parametrize("nobody", [900_019, 2**63 - 1])
def test_user_who_does_not_exist(nobody):
    assert reasons(nobody, "available") == {"driver": ["There is no such user."]}


def test_user_who_is_no_driver(rider):
    found = reasons(get_user_model().objects.get(pk=rider), "available")
    assert found.keys() == {"driver"}
    assert "isn't a driver" in found["driver"][0]


def test_error_names_all_arguments(driver):
    with pytest.raises(ValueError, match=r"state: Give one of: .* reason: Give at most"):
        states.set_state(driver, "flying", reason="r" * 101)


def test_former_driver_can_still_go_off_duty(driver):
    states.set_state(driver, "available")
    get_user_model().objects.filter(pk=driver).update(role="rider")
    assert states.set_state(driver, "non_operational").state == "non_operational"
