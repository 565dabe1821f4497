"""Fixtures: the history is on; people who log in to the admin, and a driver."""

import pytest
from django.contrib.auth import get_user_model

from .history import permit

User = get_user_model()


@pytest.fixture(autouse=True)
def _history_is_on(_settings, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "all", "HISTORY_DAYS": 60}


@pytest.fixture
def admin(db, client):
    client.force_login(User.objects.create_superuser(email="admin@staff.test", name="Admin"))
    return client


@pytest.fixture
def staff(db, client):
    """Return a client of a member of staff who may see last known locations."""
    user = User.objects.create_user(email="staff@example.com", name="Staff", is_staff=True)
    permit(user, "view_driverlocation")
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def jonh(db):
    return User.objects.create_user(email="jonh@example.com", name="Jonh", role="driver")
