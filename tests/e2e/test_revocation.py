"""Revoked watchers, and locations that still reach them: counted on two workers, while the driver
sends ten locations a second and disconnected watchers keep reconnecting.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.services import Uvicorn, create_users

from .client import Watcher
from .stack import person
from .stubborn import StubbornDriver, StubbornWatcher

pytestmark = pytest.mark.alone

DRIVER, NEXT_DRIVER, PASSENGER = 1900, 1901, 2900
AT_ONCE = 1.0  # seconds within which a revocation takes effect
AFTERWARDS = 3.0  # seconds for which leaks are then counted


class Case(NamedTuple):
    """A way to end a permission: host code that changes `user` or the user's `grant`."""

    change: str
    error: str = "forbidden"
    close_code: int = 4403
    staff: bool = False
    policy: str = "granted"


REASSIGNMENT = """
with transaction.atomic():
    end_grant(grant)
    open_grant(driver=1901, watcher=user, ends_at=grant.ends_at, reference="the same trip")
"""
CASES = {
    "user deactivated": Case("user.is_active = False; user.save()", "token_invalid", 4401),
    "user deleted": Case("user.delete()", "token_invalid", 4401),
    "password changed": Case("user.password = changed; user.save()", "token_invalid", 4401),
    "staff demoted": Case("user.is_staff = False; user.save()", staff=True),
    "staff demoted, staff only": Case(
        "user.is_staff = False; user.save()", staff=True, policy="staff_only"
    ),
    "grant ended": Case("end_grant(grant)"),
    "grant deleted": Case("grant.delete()"),
    "grant moved up": Case(
        "reschedule_grant(grant, ends_at=timezone.now() + timedelta(seconds=.2))"
    ),
    "grant handed on": Case("grant.watcher_id = 2900; grant.save()"),
    "trip reassigned": Case(REASSIGNMENT),
}
WATCHERS = {name: 2901 + number for number, name in enumerate(CASES)}

OPEN = """
from datetime import timedelta
from django.utils import timezone
from tracking.grants import open_grant

for watcher in watchers:
    open_grant(driver=1900, watcher=watcher, ends_at=timezone.now() + timedelta(hours=1))
"""
# The time is taken before each change, so the duration of the change is included.
REVOKE = """
import time
from datetime import timedelta
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from accounts.models import User
from tracking.grants import end_grant, open_grant, reschedule_grant
from tracking.models import WatchGrant

changed = make_password("another password")
result = {}
for name, watcher, change in changes:
    user = User.objects.get(pk=watcher)
    grant = WatchGrant.objects.filter(watcher=watcher).first()
    result[name] = time.time()
    exec(change)
"""


@pytest.fixture(scope="module")
def staff_only(granted_stack):
    """Start a third worker, where only staff may watch."""
    environment = {
        **granted_stack.environment,
        "TRACKING_WATCH_POLICY": "tracking.permissions.staff_only",
    }
    with Uvicorn(environment, "staff only") as server:
        yield server


def people():
    yield person(PASSENGER, "rider")
    for name, case in CASES.items():
        yield person(WATCHERS[name], "rider", is_staff=case.staff, is_superuser=case.staff)


class Streams:
    """One driver with a passenger, and all other watchers, on every worker."""

    def __init__(self, stack, tokens, staff_only):
        self.driver = StubbornDriver(lambda: stack.driver(DRIVER))
        self.passenger = self.watcher(stack.watcher_server, tokens[PASSENGER])
        self.old = {
            (name, server.name): self.watcher(server, tokens[WATCHERS[name]])
            for name, case in CASES.items()
            for server in (stack.servers if case.policy == "granted" else [staff_only])
        }
        self.new = self.watcher(
            stack.watcher_server, tokens[WATCHERS["trip reassigned"]], NEXT_DRIVER
        )
        self.new_driver = StubbornDriver(lambda: stack.driver(NEXT_DRIVER))

    @staticmethod
    def watcher(server, token, driver_id=DRIVER):
        return StubbornWatcher(lambda: Watcher(server.websocket_url, driver_id, token))

    async def run(self, change):
        """Stream until some time after `change()`, and return its result."""
        async with AsyncExitStack() as everybody:
            for each in (
                self.driver,
                self.new_driver,
                self.passenger,
                self.new,
                *self.old.values(),
            ):
                await everybody.enter_async_context(each)
            for each in (self.passenger, *self.old.values()):
                await each.until(lambda stubborn: len(stubborn.locations) > 3)
            changed = await change()
            after = time.time() + AT_ONCE + AFTERWARDS
            for each in (self.driver, self.passenger):
                await each.until(lambda stubborn: stubborn.locations[-1] > after)
            await everybody.aclose()
            return changed


@pytest.fixture(scope="module")
def streams(granted_stack, staff_only):
    """Return the streams, and the time at which each permission ended."""
    tokens = create_users(granted_stack.environment, list(people()))
    streams = Streams(granted_stack, tokens, staff_only)

    async def change():
        changes = [(name, WATCHERS[name], case.change) for name, case in CASES.items()]
        return await granted_stack.host(REVOKE, changes=changes)

    async def run():
        granted = [WATCHERS[name] for name, case in CASES.items() if not case.staff]
        await granted_stack.host(OPEN, watchers=[PASSENGER, *granted])
        streams.changed = await streams.run(change)

    asyncio.run(run())
    return streams


@pytest.mark.parametrize("name", CASES)
def test_watcher_who_loses_the_permission_is_disconnected_within_a_second(streams, name):
    changed, case = streams.changed[name], CASES[name]
    for (of, _), watcher in streams.old.items():
        if of == name:
            first = watcher.ends[0]
            assert first.answer == (case.error, case.close_code)
            assert 0 < first.time - changed < AT_ONCE
            # Every later attempt ended the same way.
            assert len(watcher.ends) > AFTERWARDS
            assert {end.answer for end in watcher.ends} == {first.answer}


@pytest.mark.parametrize("name", CASES)
def test_no_location_reaches_a_disconnected_watcher(streams, name):
    changed = streams.changed[name]
    for (of, _), watcher in streams.old.items():
        if of == name:
            assert min(watcher.locations) < changed
            assert sum(moment > changed + AT_ONCE for moment in watcher.locations) == 0


def test_watcher_who_keeps_the_permission_is_not_interrupted(streams):
    last = max(streams.changed.values()) + AT_ONCE
    passenger = streams.passenger
    assert len(passenger.connections) == 1
    assert sum(moment > last for moment in passenger.locations) > AFTERWARDS * 5
    assert max(later - earlier for earlier, later in pairwise(passenger.locations)) < AT_ONCE


def test_a_reassigned_trip_shows_the_new_driver_and_not_before(streams):
    changed = streams.changed["trip reassigned"]
    assert 0 < min(streams.new.locations) - changed < AT_ONCE
    assert {end.answer for end in streams.new.ends} == {("forbidden", 4403)}
    assert streams.new.connections[-1].closed_at - changed > AFTERWARDS
