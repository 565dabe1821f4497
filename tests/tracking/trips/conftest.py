"""Users of trips."""

import pytest
from django.contrib.auth import get_user_model


@pytest.fixture
def new_user(db):
    """Return a function that creates a user of a role."""
    counter = iter(range(1, 1_000))

    def new_user(role="rider", **fields):
        email = f"{role}-{next(counter)}@example.com"
        return get_user_model().objects.create_user(email=email, role=role, **fields)

    return new_user
