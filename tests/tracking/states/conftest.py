"""Notices to workers, as states and trips ask for them."""

import pytest
from django.contrib.auth import get_user_model

from tests.tracking import rows
from tracking import changes


@pytest.fixture
def announced(monkeypatch):
    """Return the log of notices: the drivers of each call."""
    calls = []
    monkeypatch.setattr(changes, "announce", lambda drivers=(), trips=(): calls.append(drivers))
    return calls


@pytest.fixture
def new_drivers(db):
    """Return a function that creates drivers and returns their ids."""
    return rows.drivers


@pytest.fixture
def driver(db):
    return get_user_model().objects.create_user(email="driver@example.com", role="driver").pk


@pytest.fixture
def other_driver(db):
    return get_user_model().objects.create_user(email="other@example.com", role="driver").pk


@pytest.fixture
def rider(db):
    return get_user_model().objects.create_user(email="rider@example.com").pk
