"""Grants in real time, on both workers: opened over HTTP, and ended by time, by staff, or because
the driver may no longer drive.
"""

import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from tests.services import create_users

from .client import Driver, Watcher
from .http import call
from .stack import person
from .stubborn import StubbornDriver, StubbornWatcher
from .test_revocation import AT_ONCE

STAFF, PASSENGER = 2950, 2951


@pytest.fixture(scope="module")
def tokens(granted_stack):
    people = [
        person(STAFF, "dispatcher", is_staff=True, is_superuser=True),
        person(PASSENGER, "rider"),
    ]
    return create_users(granted_stack.environment, people)


def rfc_3339(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.fixture
async def watchers(granted_stack, tokens):
    """Return the passenger's watchers of a driver, one on each worker, to be entered."""
    driver_id = granted_stack.new_driver()
    async with StubbornDriver(lambda: granted_stack.driver(driver_id)):
        yield [
            StubbornWatcher(
                lambda server=server: Watcher(server.websocket_url, driver_id, tokens[PASSENGER])
            )
            for server in granted_stack.servers
        ]


async def open_grant(stack, tokens, watchers, **times):
    """Let the passenger watch the driver of these watchers."""
    driver_id = int(watchers[0].connections[0].url.rpartition("=")[2])
    body = {"driver": driver_id, "watcher": PASSENGER, **times}
    answer = await call(stack.watcher_server.port, "POST", "/driver/grants/", tokens[STAFF], body)
    assert answer.status == 201
    return answer.json()


@pytest.mark.alone
async def test_a_grant_permits_watching_from_its_start_to_its_end(granted_stack, tokens, watchers):
    async with AsyncExitStack() as everybody:
        for watcher in watchers:
            await everybody.enter_async_context(watcher)
            await watcher.until(lambda watcher: watcher.ends)
        # Later than a busy machine takes to open the grant.
        starts_at, ends_at = time.time() + 2, time.time() + 4
        await open_grant(
            granted_stack,
            tokens,
            watchers,
            starts_at=rfc_3339(starts_at),
            ends_at=rfc_3339(ends_at),
        )
        for watcher in watchers:
            await watcher.until(lambda watcher: watcher.ends[-1].time > ends_at + AT_ONCE + 1)
    for watcher in watchers:
        assert starts_at < watcher.locations[0] < starts_at + AT_ONCE
        assert ends_at - AT_ONCE < watcher.locations[-1] < ends_at + AT_ONCE
        for end in watcher.ends:
            # Between its creation and its start, the close code says to try again. An attempt made
            # before the start may be answered after it.
            early = end.began < starts_at and end.answer == ("not_yet", 1013)
            assert early or end.answer == ("forbidden", 4403)
        end = min(end.time for end in watcher.ends if end.time > watcher.locations[0])
        assert 0 <= end - ends_at < AT_ONCE


@pytest.mark.alone
@pytest.mark.parametrize(("method", "path"), [("POST", "{}/end/"), ("DELETE", "{}/")])
async def test_ending_a_grant_over_http_ends_the_stream(
    granted_stack, tokens, watchers, method, path
):
    async with AsyncExitStack() as everybody:
        for watcher in watchers:
            await everybody.enter_async_context(watcher)
            await watcher.until(lambda watcher: watcher.ends)
        an_hour_later = rfc_3339(time.time() + 3600)
        grant = await open_grant(granted_stack, tokens, watchers, ends_at=an_hour_later)
        for watcher in watchers:
            await watcher.until(lambda watcher: len(watcher.locations) > 3)
        ended_at = time.time()
        path = f"/driver/grants/{path.format(grant['id'])}"
        await call(granted_stack.driver_server.port, method, path, tokens[STAFF])
        for watcher in watchers:
            await watcher.until(lambda watcher: watcher.ends[-1].time > ended_at + AT_ONCE + 1)
    for watcher in watchers:
        assert watcher.locations[-1] < ended_at + AT_ONCE
        assert min(end.time for end in watcher.ends if end.time > ended_at) < ended_at + AT_ONCE
        assert {end.answer for end in watcher.ends} == {("forbidden", 4403)}


@pytest.mark.alone
@pytest.mark.parametrize(
    ("driver_id", "change", "end"),
    [
        (2960, "user.is_active = False; user.save()", ("token_invalid", 4401)),
        (2961, "user.role = 'rider'; user.save()", ("forbidden", 4403)),
        (2962, "user.delete()", ("token_invalid", 4401)),
    ],
    ids=["deactivated", "no driver any more", "deleted"],
)
async def test_a_driver_who_may_no_longer_drive_is_disconnected_and_so_are_the_watchers(
    granted_stack, tokens, driver_id, change, end
):
    tokens = tokens | create_users(granted_stack.environment, [person(driver_id)])
    program = (
        "import time\nfrom accounts.models import User\n"
        f"user = User.objects.get(pk={driver_id})\nresult = time.time()\n{change}"
    )
    servers = granted_stack.servers
    drivers = [
        StubbornDriver(
            lambda server=server: Driver(server.websocket_url, driver_id, tokens[driver_id])
        )
        for server in servers
    ]
    watcher = StubbornWatcher(lambda: granted_stack.watcher(driver_id, token=tokens[STAFF]))
    async with watcher, drivers[0], drivers[1]:
        await watcher.until(lambda watcher: len(watcher.locations) > 3)
        changed = await granted_stack.host(program)
        for driver in drivers:
            await driver.until(
                lambda driver: driver.ends and driver.ends[-1].time > changed + AT_ONCE + 1
            )
    for driver in drivers:
        assert 0 < driver.ends[0].time - changed < AT_ONCE
        assert {each.answer for each in driver.ends} == {end}
        assert driver.locations[-1] < changed + AT_ONCE
    assert watcher.locations[-1] < changed + AT_ONCE
