"""Fixtures for calls without an ASGI server, which must leave no runtime or thread open."""

import json
import threading

import pytest
from django.core.cache import cache
from rest_framework.throttling import SimpleRateThrottle

from tracking.runtime import runtime

from ..sockets import token_for


@pytest.fixture(autouse=True)
def _unthrottled():
    """Clear the throttles, so that no test counts the requests of another."""
    cache.clear()


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    """Check that a call without an ASGI server closes everything that it opens."""
    # One of a failed test before stays with its traceback.
    runtimes = set(runtime._runtimes.values())
    before = set(threading.enumerate())
    yield
    assert set(runtime._runtimes.values()) <= runtimes
    opened = set(threading.enumerate()) - before
    assert not [thread for thread in opened if "tracking" in thread.name]


@pytest.fixture
def rates(monkeypatch):
    """Return a function that sets throttle rates for this test."""

    def rates(**changed):
        named = {name.replace("_", "-"): rate for name, rate in changed.items()}
        monkeypatch.setattr(
            SimpleRateThrottle, "THROTTLE_RATES", SimpleRateThrottle.THROTTLE_RATES | named
        )
        cache.clear()

    return rates


@pytest.fixture
def rest(client):
    """Return a function that calls with JSON and a user's access token."""

    def call(method, path, user_id=None, body=None, **headers):
        if user_id is not None:
            headers["Authorization"] = f"Bearer {token_for(user_id)}"
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        return client.generic(
            method, path, content or "", content_type="application/json", headers=headers
        )

    return call
