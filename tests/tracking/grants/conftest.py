"""A driver, a watcher and a grant; and who is told of what becomes of it."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils import timezone

from tracking import revocation
from tracking.grants import open_grant

from .times import HOUR, NOON


@pytest.fixture(autouse=True)
def _unthrottled():
    """No test inherits the requests of another."""
    cache.clear()


@pytest.fixture(autouse=True)
def rechecked(monkeypatch):
    """The users whose open connections were asked to be checked, call by call."""
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
    """The time, which stands at noon."""
    clock = Clock(NOON)
    monkeypatch.setattr("django.utils.timezone.now", clock)
    return clock


@pytest.fixture
def people(db):
    """A driver and a watcher."""
    users = get_user_model().objects
    return (
        users.create_user(email="mary@example.com", name="Mary", role="driver"),
        users.create_user(email="jonh@gmail.com", name="Jonh"),
    )


@pytest.fixture
def trip(people):
    """What a grant for the next hour is opened with."""
    driver, watcher = people
    return {"driver": driver.pk, "watcher": watcher.pk, "ends_at": timezone.now() + HOUR}


@pytest.fixture
def grant(trip, rechecked):
    """A grant for the next hour, of which everybody was told."""
    grant = open_grant(**trip, reference="trip 7")
    rechecked.clear()
    return grant
