"""Access is granted, refused and revoked, on either stack."""

import time
from itertools import product

import pytest

from tests.services import create_users, manage

from .client import read_error
from .stack import DRIVER, MISSING, OTHER_DRIVER, RIDER, person
from .tokens import login_token, sign


async def refused(client):
    """Return the error that ended a connection, and its close code."""
    code, text = read_error(await client.frame(0))
    close_code = await client.close_code()
    assert len(client.frames) == 1
    return code, close_code, text


async def ask(client):
    """Send the route's message with the client's token."""
    if client.url.partition("?")[0].endswith("set-tracking"):
        await client.post("1", "2")
    else:
        await client.start()


BAD_TOKENS = {
    "empty": lambda user_id: "",
    "no token at all": lambda user_id: "x.y.z",
    "cut off": lambda user_id: login_token(user_id)[:-3],
    "another key": lambda user_id: login_token(user_id, key="k" * 40),
    "no signature": lambda user_id: login_token(user_id, key="", algorithm="none"),
    "another algorithm": lambda user_id: login_token(user_id, algorithm="HS384"),
    "a refresh token": lambda user_id: login_token(user_id, token_type="refresh", jti="1"),
    "a type that is none": lambda user_id: login_token(user_id, token_type=None),
    "no id": lambda user_id: sign(email="x@example.org", exp=time.time() + 60),
    "an id that is no number": lambda user_id: login_token("x"),
    "an id of truth": lambda user_id: login_token(user_id=True),
    "an id with a fraction": lambda user_id: login_token(user_id + 0.5),
    "a negative id": lambda user_id: login_token(-user_id),
    "no end": lambda user_id: sign(id=user_id, email="x@example.org", name="X"),
    "an end that is no number": lambda user_id: login_token(user_id, expires_at="never"),
    "nobody's id": lambda user_id: login_token(MISSING),
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
@pytest.mark.parametrize("side", ["driver", "watcher"])
async def test_a_token_that_is_not_valid_is_refused(stack, driver_id, side, make):
    token = make(driver_id)
    async with getattr(stack, side)(driver_id, token=token) as client:
        await ask(client)
        code, close_code, text = await refused(client)
        assert (code, close_code) == ("token_invalid", 4401)
        assert not token or token not in text
    assert stack.stored(driver_id) is None


@pytest.mark.parametrize("side", ["driver", "watcher"])
async def test_a_token_that_has_expired_is_refused(stack, driver_id, side):
    token = login_token(driver_id, expires_at=int(time.time()) - 1)
    async with getattr(stack, side)(driver_id, token=token) as client:
        await ask(client)
        assert (await refused(client))[:2] == ("token_expired", 4401)


async def test_a_user_who_is_inactive_or_deleted_is_refused(stack):
    inactive, deleted = 803, 804
    tokens = create_users(stack.environment, [person(inactive, is_active=False), person(deleted)])
    change_user(stack, deleted, "delete()")
    for user_id, side in product((inactive, deleted), (stack.driver, stack.watcher)):
        async with side(user_id, token=tokens[user_id]) as client:
            await ask(client)
            assert (await refused(client))[:2] == ("token_invalid", 4401)


def change_user(stack, user_id, change):
    """Change a user with a method of the query set."""
    command = f"from accounts.models import User; User.objects.filter(pk={user_id}).{change}"
    manage(stack.environment, "shell", "--no-imports", "-c", command)


async def test_only_a_driver_publishes_and_for_itself_alone(stack, driver_id):
    for user_id, published in ((DRIVER, driver_id), (RIDER, driver_id), (RIDER, RIDER)):
        async with stack.driver(published, token=stack.tokens[user_id]) as client:
            await ask(client)
            assert (await refused(client))[:2] == ("forbidden", 4403)
        assert stack.stored(published) is None


async def test_missing_driver_and_forbidden_driver_are_refused_alike(strict):
    answers = []
    for watched in (OTHER_DRIVER, RIDER, MISSING, 2**63 - 1):
        async with strict.watcher(watched, token=strict.tokens[DRIVER]) as watcher:
            await ask(watcher)
            await refused(watcher)
            answers.append((watcher.frames, await watcher.close_code()))
    assert answers == answers[:1] * 4
    assert read_error(answers[0][0][0])[0] == "forbidden"
    assert answers[0][1] == 4403


@pytest.mark.parametrize("watched", [RIDER, MISSING])
async def test_user_who_is_no_driver_cannot_be_watched(stack, watched):
    async with stack.watcher(watched) as watcher:
        await ask(watcher)
        assert (await refused(watcher))[:2] == ("forbidden", 4403)


async def test_another_users_token_on_an_open_connection_is_refused(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        acknowledgement = await driver.send(1, 2)
        driver.token = stack.tokens[OTHER_DRIVER]
        assert read_error(await driver.send(3, 4))[0] == "forbidden"
        assert await driver.close_code() == 4403
        assert driver.frames[0] == acknowledgement
    assert stack.stored(driver_id).latitude == 1


async def test_a_token_that_expires_ends_the_stream_by_itself(stack, driver_id):
    expires_at = int(time.time()) + 3
    token = login_token(driver_id, expires_at=expires_at)
    async with (
        stack.driver(driver_id, token=token) as expiring_driver,
        stack.driver(driver_id, token=token) as renewing_driver,
        stack.watcher(driver_id, token=token) as expiring_watcher,
        stack.watcher(driver_id) as watcher,
    ):
        location = await expiring_driver.send(1, 2)
        await renewing_driver.send(1, 2)
        renewing_driver.token = stack.tokens[driver_id]
        await renewing_driver.send(1, 2)
        await expiring_watcher.start()
        await watcher.start()
        await watcher.frame(0)
        for client in (expiring_driver, expiring_watcher):
            assert await client.close_code() == 4401
            # Never early, and at that second; the rest allows for a machine under load.
            assert 0 <= time.time() - expires_at < 2
            assert read_error(client.frames[-1])[0] == "token_expired"
            assert client.frames[0] == location
        newest = await renewing_driver.send(3, 4)
        await watcher.until(lambda frames: frames[-1] == newest)


@pytest.mark.parametrize(
    ("user_id", "change", "code", "close_code"),
    [
        (805, "update(is_active=False)", "token_invalid", 4401),
        (806, "update(role='rider')", "forbidden", 4403),
    ],
)
async def test_user_deactivated_or_demoted_while_streaming_is_disconnected(
    strict, user_id, change, code, close_code
):
    token = create_users(strict.environment, [person(user_id)])[user_id]
    async with (
        strict.driver(user_id, token=token) as driver,
        strict.watcher(user_id, token=token) as watcher,
    ):
        await driver.send(1, 2)
        await watcher.start()
        await watcher.frame(0)
        change_user(strict, user_id, change)
        for client in (driver, watcher):
            assert await client.close_code() == close_code
            assert read_error(client.frames[-1])[0] == code


async def test_a_driver_deleted_while_streaming_is_disconnected_at_the_next_location(stack):
    user_id = 807
    tokens = create_users(stack.environment, [person(user_id)])
    async with (
        stack.driver(user_id, token=tokens[user_id]) as driver,
        stack.driver(DRIVER) as another,
    ):
        await driver.send(1, 2)
        change_user(stack, user_id, "delete()")
        for _ in range(3):
            await driver.post(3, 4)
        location = await another.send(5, 6)
        assert "error" not in location
        assert await driver.close_code() == 4401
        assert [read_error(frame)[0] for frame in driver.frames[1:]] == ["token_invalid"]
    assert stack.stored(user_id) is None


async def test_client_that_does_not_authenticate_in_time_is_disconnected(strict):
    async with (
        strict.driver(DRIVER) as driver,
        strict.watcher(DRIVER, token=strict.tokens[DRIVER]) as watcher,
    ):
        await driver.send(1, 2)
        await watcher.start()
        await watcher.frame(0)
        async with (
            strict.driver(DRIVER) as silent_driver,
            strict.watcher(DRIVER) as silent_watcher,
            strict.watcher(DRIVER) as babbling_watcher,
        ):
            await babbling_watcher.send_text("")
            for client in (silent_driver, silent_watcher, babbling_watcher):
                assert await client.close_code() == 4408
                assert read_error(client.frames[-1])[0] == "authentication_timeout"
        newest = await driver.send(3, 4)
        await watcher.until(lambda frames: frames[-1] == newest)
