"""Vehicle types of drivers, by which the nearest cars may be searched."""

import pytest

from tracking import changes, states
from tracking.models import DriverStateChange


@pytest.fixture
def notified(transactional_db, monkeypatch):
    """Return the list of the drivers that workers were notified of."""
    drivers = []
    monkeypatch.setattr(
        changes, "announce", lambda drivers=(), trips=(), *, kept=drivers: kept.extend(drivers)
    )
    return drivers


@pytest.fixture
def driver(new_user):
    driver = new_user("driver")
    states.set_state(driver, "available", vehicle_type="car")
    return driver


def test_vehicle_type_is_set_without_a_change_of_the_state(driver, notified):
    row = states.set_vehicle_type(driver, "van")
    assert (row.vehicle_type, row.state) == ("van", "available")
    assert states.state_of(driver).vehicle_type == "van"
    assert DriverStateChange.objects.filter(driver=driver).count() == 1
    assert notified == [driver.pk]


def test_same_vehicle_type_notifies_nobody(driver, notified):
    states.set_vehicle_type(driver, "car")
    assert notified == []


def test_vehicle_type_given_with_the_present_state_notifies_workers(driver, notified):
    states.set_state(driver, "available", vehicle_type="van")
    assert notified == [driver.pk]


@pytest.mark.parametrize("text", ["v" * 51, "v\0an"])
def test_vehicle_type_that_cannot_be_stored_is_refused(driver, text):
    with pytest.raises(states.InvalidState) as caught:
        states.set_vehicle_type(driver, text)
    assert list(caught.value.reasons) == ["vehicle_type"]
    assert states.state_of(driver).vehicle_type == "car"


def test_driver_without_a_state_has_no_vehicle_type(new_user):
    driver = new_user("driver")
    with pytest.raises(states.InvalidState):
        states.set_vehicle_type(driver, "van")
    assert states.state_of(driver) is None
