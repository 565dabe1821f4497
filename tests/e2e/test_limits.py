"""Limits of connections and messages, on one server of either kind with small limits."""

import json
from contextlib import AsyncExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests import services

from .client import read_error
from .stack import DRIVER, OTHER_DRIVER, RIDER, Stack

PER_USER, STRANGERS, PER_SERVER = 20, 30, 50
BURST, MAX_REFUSED = 20, 100
LARGEST, BAD = 4000, 3


@pytest.fixture(scope="module")
def limited(stack):
    """Start one server with small limits, on the stack's database."""
    environment = {
        **stack.environment,
        "TRACKING_MAX_FIXES_PER_SECOND": "5",
        "TRACKING_MAX_FIXES_BURST": str(BURST),
        "TRACKING_MAX_CONNECTIONS_PER_USER": str(PER_USER),
        "TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS": str(STRANGERS),
        "TRACKING_MAX_CONNECTIONS": str(PER_SERVER),
        "TRACKING_MAX_MESSAGE_SIZE": str(LARGEST),
        "TRACKING_MAX_BAD_MESSAGES": str(BAD),
    }
    development = isinstance(stack.driver_server, services.Runserver)
    with (services.Runserver if development else services.Uvicorn)(environment, "limited") as one:
        yield Stack([one], stack.tokens)


@pytest.fixture
async def connect(limited, driver_id):
    """Return a function that opens connections of watching users, or of strangers.

    They stay open until the test ends, and watch a driver of the test's own, as a user's messages
    about one driver share a limit.
    """
    async with AsyncExitStack() as connections:

        async def connect(user_id=None):
            watcher = limited.watcher(driver_id, token=limited.tokens.get(user_id))
            await connections.enter_async_context(watcher)
            if user_id is not None:
                await watcher.start(details=True)
                await watcher.frame(0)
            return watcher

        yield connect


async def refusal(client):
    """Return the error and close code with which the newest connection was refused."""
    code, message = read_error(await client.frame(0))
    assert await client.close_code() == 1013
    assert len(client.frames) == 1
    assert code == "over_capacity"
    return message


async def test_connections_of_a_user_and_of_a_server_are_limited(limited, connect):
    riders = [await connect(RIDER) for _ in range(PER_USER)]
    assert "of this user" in await refusal(await connect(RIDER))
    for _ in range(PER_USER):
        await connect(DRIVER)
    for _ in range(PER_SERVER - 2 * PER_USER):
        await connect(OTHER_DRIVER)
    assert "this server" in await refusal(await connect())
    # Existing connections stay open, and one that ends makes room.
    async with AsyncExitStack() as leaving:
        leaving.push_async_exit(riders.pop())
    await connect(RIDER)
    for rider in riders:
        await rider.start(details=True)
        assert "status" in await rider.frame(1)


async def test_unauthenticated_connections_of_an_address_are_limited(limited, connect):
    strangers = [await connect() for _ in range(STRANGERS)]
    assert "authenticate" in await refusal(await connect())
    # A connection that authenticates makes room for another.
    strangers[0].token = limited.tokens[RIDER]
    await strangers[0].start(details=True)
    assert "status" in await strangers[0].frame(0)
    another = await connect()
    assert "authenticate" in await refusal(await connect())
    await another.send_text("")
    assert read_error(await another.frame(0))[0] == "invalid_message"


async def test_messages_faster_than_allowed_are_dropped_and_then_end_the_connection(
    limited, driver_id
):
    async with limited.driver(driver_id) as driver:
        for number in range(BURST):
            await driver.send(f"{number}.5", 0)
        while '"error"' not in await driver.send(0, 0):
            pass
        # Nothing but that message is lost, and the connection goes on.
        assert read_error(driver.frames[-1])[0] == "rate_limited"
        latitude = float(json.loads(driver.frames[-2])["location_lat"])
        assert limited.stored(driver_id).latitude == latitude
        with suppress(ConnectionClosed):
            for _ in range(2 * MAX_REFUSED):
                await driver.post(0, 0)
        assert await driver.close_code() == 4429
        refusals = [read_error(frame)[0] for frame in driver.frames if '"error"' in frame]
        assert len(refusals) >= MAX_REFUSED
        assert set(refusals) == {"rate_limited"}


async def test_a_batch_counts_as_one_message_and_a_watchers_messages_count_too(limited, driver_id):
    async with limited.driver(driver_id) as driver, limited.watcher(driver_id) as watcher:
        batch = [{"lat": number % 90, "lon": 0} for number in range(100)]
        for number in range(BURST):
            await driver.send_message(token=driver.token, command="send_batch", fixes=batch)
            assert await driver.frame(number) == '{"location_lat": "9", "location_lon": "0"}'
        for _ in range(2 * BURST):
            await watcher.start()
        await watcher.until(lambda frames: any("rate_limited" in frame for frame in frames))


async def test_size_and_number_of_bad_messages_are_what_the_settings_say(limited, connect):
    large = await connect(RIDER)
    await large.send_text("{}".ljust(LARGEST))
    assert read_error(await large.frame(1))[0] == "invalid_message"
    await large.send_text("{}".ljust(LARGEST + 1))
    assert await large.close_code() == 1009
    bad = await connect(RIDER)
    for number in range(BAD):
        await bad.send_text("{}")
        assert read_error(await bad.frame(1 + number))[0] == "invalid_message"
    assert await bad.close_code() == 4400
