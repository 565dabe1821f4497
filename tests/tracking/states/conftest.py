"""Notices to workers, as states and trips ask for them."""

import pytest

from tests.tracking import rows
from tracking import changes


@pytest.fixture
def announced(monkeypatch):
    """Return the log of notices: the drivers of each call."""
    calls = []
    monkeypatch.setattr(changes, "announce", lambda drivers=(), trips=(): calls.append(drivers))
    return calls


@pytest.fixture
def new_drivers(transactional_db):
    """Return a function that creates drivers and returns their ids."""
    return rows.drivers
