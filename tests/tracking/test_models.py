from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from tracking.models import DriverLocation

from .fakes import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def driver():
    return get_user_model().objects.create_user(email="driver@example.com", role="driver")


def location(driver, **changes):
    values = {"latitude": 1.0, "longitude": 2.0, "recorded_at": NOON, "received_at": NOON}
    return DriverLocation(driver=driver, **values | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"latitude": 90.0},
        {"latitude": -90.0},
        {"longitude": 180.0},
        {"longitude": -180.0},
        {"accuracy": 0.001, "heading": 0.0, "speed": 0.0},
        {"heading": 359.999},
        {"received_at": NOON + timedelta(microseconds=1)},
    ],
)
def test_the_database_takes_values_at_the_ends_of_their_ranges(driver, changes):
    location(driver, **changes).save(force_insert=True)
    assert DriverLocation.objects.filter(driver=driver, **changes).exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"latitude": 90.0000001},
        {"latitude": -90.0000001},
        {"longitude": 180.0000001},
        {"longitude": -180.0000001},
        {"accuracy": 0.0},
        {"heading": 360.0},
        {"heading": -0.1},
        {"speed": -0.1},
        {"received_at": NOON - timedelta(microseconds=1)},
    ],
)
def test_the_database_refuses_values_out_of_range(driver, changes):
    with pytest.raises(IntegrityError), transaction.atomic():
        location(driver, **changes).save(force_insert=True)


def test_a_driver_has_at_most_one_location(driver):
    location(driver).save(force_insert=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        location(driver).save(force_insert=True)


def test_a_location_goes_with_its_driver(driver):
    location(driver).save(force_insert=True)
    driver.delete()
    assert not DriverLocation.objects.exists()


def test_a_location_is_named_after_its_driver(driver):
    assert str(location(driver)) == f"driver {driver.pk}"
