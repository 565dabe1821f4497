"""Fixtures: a driver, a watcher, a grant, and the rechecks that its changes ask for."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils import timezone

from tracking import revocation
from tracking.grants import open_grant

from .times import HOUR, NOON


@pytest.fixture(autouse=True)
def _unthrottled():
    """Clear the throttles, so that no test counts the requests of another."""
    cache.clear()


@pytest.fixture(autouse=True)
def rechecked(monkeypatch):
    """Return the log of rechecks: the user ids of each call."""
    calls = []
    monkeypatch.setattr(revocation, "recheck", calls.append)
    return calls


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Return the clock, which stands at noon."""
    clock = Clock(NOON)
    monkeypatch.setattr("django.utils.timezone.now", clock)
    return clock


@pytest.fixture
def people(db):
    """Return a driver and a watcher."""
    users = get_user_model().objects
    return (
        users.create_user(email="mary@example.com", name="Mary", role="driver"),
        users.create_user(email="jonh@gmail.com", name="Jonh"),
    )


@pytest.fixture
def trip(people):
    """Return the arguments that open a grant for the next hour."""
    driver, watcher = people
    return {"driver": driver.pk, "watcher": watcher.pk, "ends_at": timezone.now() + HOUR}


@pytest.fixture
def grant(trip, rechecked):
    """Return a grant for the next hour, with the recheck for its opening already done."""
    grant = open_grant(**trip, reference="trip 7")
    rechecked.clear()
    return grant
