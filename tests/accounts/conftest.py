import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _unthrottled():
    """Clear the counts of throttling before each test."""
    cache.clear()
