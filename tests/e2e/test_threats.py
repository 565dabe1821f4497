"""Attacks on other people's locations, on two workers: no frame may get through."""

import json
import time
from contextlib import AsyncExitStack

import pytest

from tests.services import create_users

from .http import call
from .raw import TEXT, Raw, frame
from .stack import DRIVER, MISSING, OTHER_DRIVER, RIDER, person
from .stubborn import StubbornDriver, StubbornWatcher
from .tokens import login_token, sign

AT_ONCE = 1.0
ORIGIN = "https://foreign.example.org"


async def test_a_spoofed_location_reaches_no_watcher(cluster_stack):
    stack, driver_id = cluster_stack, cluster_stack.new_driver()
    signature = stack.tokens[OTHER_DRIVER].rpartition(".")[2]
    tokens = {
        "another driver's": stack.tokens[OTHER_DRIVER],
        "a rider's": stack.tokens[RIDER],
        "another's signature": f"{stack.tokens[driver_id].rpartition('.')[0]}.{signature}",
        "another key": login_token(driver_id, key="k" * 40),
        "no signature": login_token(driver_id, key="", algorithm="none"),
        "another type": sign(id=driver_id, exp=time.time() + 60, token_type="refresh"),
    }
    spoofers = [
        StubbornDriver(lambda token=token: stack.driver(driver_id, token=token))
        for token in tokens.values()
    ]
    async with AsyncExitStack() as everybody, stack.watcher(driver_id) as watcher:
        await watcher.start()
        async with stack.driver(driver_id) as driver:
            sent = [await driver.send(1, 2)]
            for spoofer in spoofers:
                await everybody.enter_async_context(spoofer)
            for spoofer in spoofers:
                await spoofer.until(lambda spoofer: len(spoofer.ends) > 5)
            sent.append(await driver.send(3, 4))
        await watcher.until(lambda frames: frames[-1] == sent[-1])
        assert watcher.frames == sent
    for spoofer in spoofers:
        assert {end.close_code for end in spoofer.ends} <= {4401, 4403}
        assert spoofer.locations == []


async def test_a_curious_rider_receives_nothing_about_any_driver(granted_stack):
    stack, driver_id = granted_stack, granted_stack.new_driver()
    rider = 2980
    token = create_users(stack.environment, [person(rider, "rider")])[rider]
    asked = [driver_id, DRIVER, RIDER, MISSING]
    watchers = [
        StubbornWatcher(lambda user_id=user_id: stack.watcher(user_id, token=token))
        for user_id in asked
    ]
    async with (
        AsyncExitStack() as everybody,
        StubbornDriver(lambda: stack.driver(driver_id)) as car,
    ):
        await car.until(lambda car: len(car.locations) > 3)
        for watcher in watchers:
            await everybody.enter_async_context(watcher)
        for watcher in watchers:
            await watcher.until(lambda watcher: len(watcher.ends) > 5)
    answers = {tuple(client.frames) for watcher in watchers for client in watcher.connections}
    # Forbidden and missing drivers are refused alike; the last may be unanswered.
    assert len(answers - {()}) == 1
    assert all(watcher.locations == [] for watcher in watchers)
    assert {end.answer for watcher in watchers for end in watcher.ends} == {("forbidden", 4403)}


@pytest.mark.alone
async def test_a_stolen_token_is_refused_once_it_has_expired(cluster_stack):
    stack, driver_id = cluster_stack, cluster_stack.new_driver()
    expires_at = int(time.time()) + 3
    token = login_token(driver_id, expires_at=expires_at)
    thieves = [
        StubbornWatcher(lambda: stack.watcher(driver_id, token=token)),
        StubbornDriver(lambda: stack.driver(driver_id, token=token)),
    ]
    async with thieves[0], thieves[1]:
        for thief in thieves:
            await thief.until(
                lambda thief: thief.ends and thief.ends[-1].time > expires_at + AT_ONCE + 1
            )
    for thief in thieves:
        assert len(thief.locations) > 0
        assert thief.locations[-1] < expires_at + AT_ONCE
        assert {end.answer for end in thief.ends} == {("token_expired", 4401)}


async def test_a_replayed_location_moves_nobody(cluster_stack):
    stack, driver_id = cluster_stack, cluster_stack.new_driver()
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        times = [f"2026-01-31T12:00:0{second}.000Z" for second in range(3)]
        sent = []
        for number, recorded_at in enumerate(times):
            sent.append(await driver.send(number, 0, recorded_at=recorded_at))
            if not number:
                await watcher.start()
            assert await watcher.frame(number) == sent[number]
        # All recorded frames, repeated in another order, from another connection.
        async with stack.driver(driver_id) as replay:
            for number in (2, 0, 1, 2):
                await replay.send(number, 0, recorded_at=times[number])
        newest = await driver.send(9, 0, recorded_at="2026-01-31T12:00:09.000Z")
        await watcher.until(lambda frames: frames[-1] == newest)
        assert watcher.frames == [*sent, newest]
        # Messages recorded on one driver's address are refused on another's.
        async with stack.driver(stack.new_driver(), token=driver.token) as elsewhere:
            await elsewhere.post(1, 0)
            assert await elsewhere.close_code() == 4403


@pytest.fixture
async def session(cluster_stack):
    """Return the cookie of a rider who is logged in with a browser."""
    program = (
        "from django.conf import settings\nfrom django.test import Client\n"
        "from accounts.models import User\n"
        f"client = Client()\nclient.force_login(User.objects.get(pk={RIDER}))\n"
        "name = settings.SESSION_COOKIE_NAME\nresult = f'{name}={client.cookies[name].value}'"
    )
    return await cluster_stack.host(program)


async def test_a_foreign_page_gets_nothing_with_the_users_cookies(cluster_stack, session):
    stack, driver_id = cluster_stack, cluster_stack.new_driver()
    async with stack.driver(driver_id) as driver:
        await driver.send(1, 2)
        headers = f"Origin: {ORIGIN}\r\nCookie: {session}\r\n".encode()
        for route in ("/driver/get-tracking", "/driver/set-tracking", "/fleet/get-tracking"):
            for payload in ({"command": "start"}, {"command": "start", "token": session}):
                text = json.dumps({"type": "authenticate", "payload": payload})
                target = f"{route}?userId={driver_id}".encode()
                with Raw(stack.watcher_server.port, target, headers) as page:
                    page.send(frame(TEXT, text.encode()) * 5)
                    texts, code = page.end()
                assert code in (4400, 4401)
                assert all("error" in json.loads(text) for text in texts)
    # Nor does it get a token, although the cookie alone authenticates that request.
    answer = await call(
        stack.watcher_server.port,
        "POST",
        "/accounts/token/session/",
        Origin=ORIGIN,
        Cookie=session,
    )
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert b"access" not in answer.body
