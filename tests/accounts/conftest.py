import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _unthrottled():
    """No test inherits the requests of another."""
    cache.clear()
