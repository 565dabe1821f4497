"""A refused message changes nothing: no clock, no place, no count, no session."""

import asyncio
from collections import Counter, deque
from datetime import UTC, datetime, timedelta

import pytest

from tracking.access.session import Session
from tracking.consumers.base import TrackingConsumer
from tracking.runtime import get_runtime

from ..sockets import stored, token_for

pytestmark = pytest.mark.django_db(transaction=True)

FUTURE = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
FIX = {"lat": 1, "lon": 2, "recorded_at": FUTURE, "sent_at": FUTURE}
# Messages that each route accepts from a permitted user.
GOOD = {
    "set": [{"command": "send", **FIX}, {"command": "send_batch", "fixes": [FIX]}],
    "get": [{"command": "start", "details": True}, {"command": "stop"}],
    "fleet": [{"command": "start", "bbox": [0, 0, 1, 1]}, {"command": "stop"}],
}
CASES = [(route, number) for route, payloads in GOOD.items() for number in range(len(payloads))]
# Changed by time or by the connection itself, not by the message.
PASSING = {"_last", "_late", "_due", "_timer", "connections", "lag", "health"}


def state(thing, seen=None):
    """Return everything that is reachable from `thing` through this project's objects."""
    seen = set() if seen is None else seen
    if isinstance(thing, str | bytes | int | float | bool | datetime | type(None)):
        return repr(thing)
    if id(thing) in seen:
        return "…"
    seen.add(id(thing))
    if isinstance(thing, dict | Counter):
        return {repr(key): state(value, seen) for key, value in thing.items()}
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return [state(value, seen) for value in thing]
    if isinstance(thing, TrackingConsumer | Session | asyncio.Task | asyncio.Future):
        return type(thing).__name__
    if type(thing).__module__.startswith("tracking."):
        names = {*getattr(thing, "__dict__", ())}
        for base in type(thing).__mro__:
            names.update(getattr(base, "__slots__", ()))
        return {name: state(getattr(thing, name, None), seen) for name in sorted(names - PASSING)}
    return type(thing).__name__


async def refused(connect, route, driver, payload):
    """Connect, have a message refused, and return the state before and after."""
    socket = await connect(route, driver)
    # After one message, what the connection itself starts (such as listeners) is complete.
    await socket.send({"token": "none", "command": "none"})
    await socket.frame()
    before = state(get_runtime())
    await socket.send(payload)
    code = await socket.error()
    return code, before, state(get_runtime())


@pytest.mark.parametrize(("route", "number"), CASES)
@pytest.mark.parametrize("token", [None, "", "no.valid.token", "expired"])
async def test_a_message_without_a_good_token_changes_nothing(
    connect, located, route, number, token
):
    if token == "expired":
        token = token_for(located, lifetime=-5)
    payload = {"token": token, **GOOD[route][number]}
    code, before, after = await refused(connect, route, located, payload)
    assert code in ("invalid_message", "token_invalid", "token_expired")
    assert after == before
    assert (await stored(located)).latitude == -2.3123


@pytest.mark.parametrize("number", [0, 1])
async def test_a_message_of_another_user_changes_nothing_for_the_driver(
    connect, located, rider, number
):
    payload = {"token": token_for(rider), **GOOD["set"][number]}
    socket = await connect("set", located)
    await socket.send(payload)
    assert await socket.error() == "forbidden"
    runtime = get_runtime()
    assert not runtime.presence._drivers
    assert not runtime.clocks._clocks
    assert not len(runtime._storage)
    assert not runtime.registry._sessions
    assert (await stored(located)).latitude == -2.3123


async def test_the_state_that_is_compared_sees_what_a_message_does(connect, located):
    """Without this, the tests above could not fail."""
    socket = await connect("set", located)
    before = state(get_runtime())
    await socket.send({"token": token_for(located), **GOOD["set"][0]})
    await socket.frame()
    assert state(get_runtime()) != before
