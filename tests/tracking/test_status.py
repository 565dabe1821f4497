from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model

from tracking.models import DriverLocation
from tracking.status import Status, has_status, next_change, status_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

# Seconds since the last fix arrived, what that makes of the driver, and for how much longer.
AGES = [
    (-1, Status.LIVE, 11),
    (0, Status.LIVE, 10),
    (9.75, Status.LIVE, 0.25),
    (10, Status.STALE, 20),
    (29.5, Status.STALE, 0.5),
    (30, Status.OFFLINE, None),
    (86400 * 400, Status.OFFLINE, None),
]


def located(age, disconnected_at=None):
    """The row of a driver whose last fix arrived `age` seconds ago, from a phone an hour slow."""
    received_at = NOW - timedelta(seconds=age)
    return DriverLocation(
        latitude=0,
        longitude=0,
        recorded_at=received_at - timedelta(hours=1),
        received_at=received_at,
        disconnected_at=disconnected_at,
    )


def matching():
    return [s for s in Status if DriverLocation.objects.filter(has_status(s, NOW)).exists()]


@pytest.fixture(autouse=True)
def _thresholds(settings):
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}


@pytest.mark.parametrize(("age", "status", "rest"), AGES)
def test_status_follows_from_the_time_since_the_last_fix_arrived(age, status, rest):
    assert status_of(located(age), NOW) is status
    assert next_change(located(age), NOW) == rest


@pytest.mark.parametrize("age", [0, 15, 40])
def test_who_has_disconnected_is_offline_at_once_and_for_good(age):
    assert status_of(located(age, NOW), NOW) is Status.OFFLINE
    assert next_change(located(age, NOW), NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "status", "rest"), AGES)
@pytest.mark.parametrize("disconnected_at", [None, NOW])
def test_database_condition_agrees_with_the_rule(age, status, rest, disconnected_at):
    row = located(age, disconnected_at)
    row.driver = get_user_model().objects.create_user(email="driver@example.com")
    row.save()
    assert matching() == [status_of(row, NOW)]
