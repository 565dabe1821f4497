from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model

from tracking.models import DriverLocation
from tracking.status import Status, has_status, status_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

AGES = [
    (-1, Status.LIVE),
    (0, Status.LIVE),
    (9.999, Status.LIVE),
    (10, Status.STALE),
    (29.999, Status.STALE),
    (30, Status.OFFLINE),
    (86400 * 400, Status.OFFLINE),
]


@pytest.fixture(autouse=True)
def _thresholds(settings):
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}


@pytest.mark.parametrize(("age", "status"), AGES)
def test_status_follows_from_the_age_and_the_settings(age, status):
    assert status_of(age) is status


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "status"), AGES)
def test_database_condition_agrees_with_the_rule(age, status):
    recorded_at = NOW - timedelta(seconds=age)
    DriverLocation.objects.create(
        driver=get_user_model().objects.create_user(email="driver@example.com"),
        latitude=0,
        longitude=0,
        recorded_at=recorded_at,
        received_at=recorded_at,
    )
    matching = [s for s in Status if DriverLocation.objects.filter(has_status(s, NOW)).exists()]
    assert matching == [status]
