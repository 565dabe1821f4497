"""Fixtures: the history is on."""

import pytest


@pytest.fixture(autouse=True)
def _history_is_on(_settings, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "all", "HISTORY_DAYS": 60}
