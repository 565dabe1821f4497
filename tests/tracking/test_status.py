from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model

from tracking.models import DriverLocation
from tracking.status import Status, has_status, next_change, status_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

# Seconds since the place was measured and since the phone was heard, the driver's status, and the
# seconds until it changes.
AGES = [
    (-1, -1, Status.LIVE, 11),
    (0, 0, Status.LIVE, 10),
    (9.75, 9.75, Status.LIVE, 0.25),
    (9.75, 1, Status.LIVE, 0.25),
    (10, 10, Status.STALE, 20),
    (10, 0, Status.STALE, 30),
    (4 * 3600, 0, Status.STALE, 30),
    (4 * 3600, 29.5, Status.STALE, 0.5),
    (29.5, 29.5, Status.STALE, 0.5),
    (30, 30, Status.OFFLINE, None),
    (86400 * 400, 86400 * 400, Status.OFFLINE, None),
    (86400 * 400, 30, Status.OFFLINE, None),
]


def located(age, silence, disconnected_at=None, repeated=False):
    """Return a row whose place is `age` seconds old and whose phone was heard `silence` ago."""
    heard = NOW - timedelta(seconds=silence)
    recorded_at = NOW - timedelta(seconds=age)
    return DriverLocation(
        latitude=0,
        longitude=0,
        recorded_at=recorded_at,
        received_at=recorded_at if repeated else heard,
        heard_at=heard if repeated else None,
        disconnected_at=disconnected_at,
    )


def matching():
    return [s for s in Status if DriverLocation.objects.filter(has_status(s, NOW)).exists()]


@pytest.fixture(autouse=True)
def _thresholds(settings):
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize(("age", "silence", "status", "rest"), AGES)
def test_freshness_of_a_place_is_by_measurement_and_of_a_phone_by_last_contact(
    age, silence, status, rest, repeated
):
    row = located(age, silence, repeated=repeated)
    assert status_of(row, NOW) is status
    assert next_change(row, NOW) == rest


@pytest.mark.parametrize("age", [0, 15, 40])
def test_disconnected_driver_is_offline_at_once_and_for_good(age):
    assert status_of(located(age, age, NOW), NOW) is Status.OFFLINE
    assert next_change(located(age, age, NOW), NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize(("age", "silence", "status", "rest"), AGES)
@pytest.mark.parametrize("disconnected_at", [None, NOW])
def test_database_condition_agrees_with_the_rule(
    age, silence, status, rest, disconnected_at, repeated
):
    row = located(age, silence, disconnected_at, repeated)
    row.driver = get_user_model().objects.create_user(email="driver@example.com")
    row.save()
    assert matching() == [status_of(row, NOW)]
