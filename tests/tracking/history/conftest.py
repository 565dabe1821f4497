"""Fixtures: the history is on."""

import pytest

from tracking.history import partitions
from tracking.history.packer import pack_day

from .rows import drop_partitions, insert


@pytest.fixture(autouse=True)
def _history_is_on(_settings, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "all", "HISTORY_DAYS": 60}


@pytest.fixture
def no_partitions(database, monkeypatch):
    """Begin without a partition, and try again soon where a lock is waited for."""
    monkeypatch.setattr(partitions, "PAUSE", 0.01)
    drop_partitions()


@pytest.fixture(params=["hot", "packed"])
def keep(request):
    """Return a function that stores fixes of a day: as rows, or packed."""

    def keep(driver, fixes):
        insert(driver, fixes)
        if request.param == "packed":
            pack_day(fixes[0].recorded_at.date())

    return keep
