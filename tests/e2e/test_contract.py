"""Both routes as existing clients use them, on either stack."""

import json
import urllib.request
from contextlib import AsyncExitStack

import pytest

from tests.services import create_users

from .stack import RIDER, person
from .tokens import login_token


def location(lat, lon):
    """Return the location frame, byte for byte."""
    return f'{{"location_lat": "{lat}", "location_lon": "{lon}"}}'


@pytest.mark.parametrize(
    ("lat", "lon", "frame"),
    [
        ("-1.4354", "0.9871", location("-1.4354", "0.9871")),
        (-1.4354, 0.9871, location("-1.4354", "0.9871")),
        ("90", -180, location("90", "-180")),
        ("+1.500", "02.", location("1.5", "2")),
        (0, "-0", location("0", "0")),
        (-0.0, -1e-9, location("0", "0")),
        (1e-7, "-1E-7", location("0.0000001", "-0.0000001")),
        ("12.34567894", 123.45678996, location("12.3456789", "123.45679")),
        ("1e1", 1.25e2, location("10", "125")),
    ],
)
async def test_a_location_has_one_form_as_acknowledgement_snapshot_and_update(
    stack, driver_id, lat, lon, frame
):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        assert await driver.send(lat, lon) == frame
        await watcher.start()
        assert await watcher.frame(0) == frame
        between = await driver.send("-7", "7")
        assert await watcher.frame(1) == between
        assert await driver.send(lat, lon) == frame
        assert await watcher.frame(2) == frame


async def test_a_watcher_gets_the_last_known_location_first_and_then_each_new_one(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await driver.send(1, 2)
        last_known = await driver.send(3, 4)
        await watcher.start()
        assert await watcher.frame(0) == last_known
        for number in range(1, 11):
            assert await driver.send(number, -number) == await watcher.frame(number)


async def test_a_watcher_who_came_before_the_first_location_gets_it(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await watcher.start()
        first = await driver.send(1, 2)
        assert await watcher.frame(0) == first


async def test_a_location_is_in_the_database_when_its_acknowledgement_arrives(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        for number in range(20):
            await driver.send(f"{number}.1234567", -number)
            stored = stack.stored(driver_id)
            assert (stored.latitude, stored.longitude) == (number + 0.1234567, -number)
            assert stored.recorded_at == stored.received_at


async def test_acknowledgements_keep_the_order_of_sends_that_did_not_wait(stack, driver_id):
    sent = [location(f"{number / 100:g}", number) for number in range(50)]
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await watcher.start()
        for number in range(50):
            await driver.post(number / 100, str(number))
        await driver.frame(49)
        assert driver.frames == sent
        assert stack.stored(driver_id).longitude == 49
        await watcher.until(lambda frames: frames[-1:] == sent[-1:])
        # Some may be left out, none may be out of order.
        rest = iter(sent)
        assert all(frame in rest for frame in watcher.frames)


@pytest.mark.parametrize("query", ["userId={}", "userId={}&v=2&debug", "app=rider&userId={}"])
async def test_further_query_parameters_are_ignored(stack, driver_id, query):
    query = query.format(driver_id)
    async with (
        stack.client("set-tracking", query) as driver,
        stack.client("get-tracking", query) as watcher,
    ):
        await driver.send_message(token=stack.tokens[driver_id], command="send", lat="1", lon="2")
        await watcher.send_message(token=stack.tokens[RIDER], command="start")
        assert await driver.frame(0) == await watcher.frame(0) == location("1", "2")


async def test_unknown_keys_are_ignored(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        message = {
            "type": "authenticate",
            "id": 7,
            "payload": {
                "battery": {"level": 0.5},
                "token": driver.token,
                "command": "send",
                "lat": "1",
                "lon": "2",
            },
        }
        await driver.send_text(json.dumps(message))
        assert await driver.frame(0) == location("1", "2")
        await watcher.start(app="rider", lat=None)
        assert await watcher.frame(0) == location("1", "2")


async def test_tokens_of_the_log_in_over_http_open_both_routes(stack):
    driver_id, rider_id, password = 801, 802, "a-password-for-tests"
    people = [person(driver_id), person(rider_id, "rider")]
    create_users(stack.environment, [{**fields, "password": password} for fields in people])
    tokens = [_log_in(stack, fields["email"], password) for fields in people]
    async with (
        stack.driver(driver_id, token=tokens[0]) as driver,
        stack.watcher(driver_id, token=tokens[1]) as watcher,
    ):
        acknowledgement = await driver.send("1", "2")
        await watcher.start()
        assert await watcher.frame(0) == acknowledgement == location("1", "2")


def _log_in(stack, email, password):
    request = urllib.request.Request(
        f"{stack.watcher_server.http_url}/accounts/token/",
        json.dumps({"email": email, "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["access"]


@pytest.mark.parametrize("form", [int, str])
async def test_tokens_of_the_existing_log_in_open_both_routes(stack, driver_id, form):
    async with (
        stack.driver(driver_id, token=login_token(form(driver_id))) as driver,
        stack.watcher(driver_id, token=login_token(form(RIDER))) as watcher,
    ):
        await driver.send("1", "2")
        await watcher.start()
        assert await watcher.frame(0) == location("1", "2")


@pytest.mark.parametrize("origin", [None, "null", "https://another-site.example"])
async def test_native_apps_and_pages_of_any_site_may_connect(stack, driver_id, origin):
    async with (
        stack.driver(driver_id, origin=origin) as driver,
        stack.watcher(driver_id, origin=origin) as watcher,
    ):
        await driver.send("1", "2")
        await watcher.start()
        assert await watcher.frame(0) == location("1", "2")


async def test_all_watchers_of_a_driver_get_the_same_whenever_they_join(stack, driver_id):
    async with AsyncExitStack() as connections:
        driver = await connections.enter_async_context(stack.driver(driver_id))
        watchers = []
        for number in range(5):
            acknowledgement = await driver.send(number, 0)
            # An acknowledged location may still be on its way to the watchers' worker.
            for watcher in watchers:
                await watcher.until(lambda frames, newest=acknowledgement: frames[-1:] == [newest])
            watchers.append(await connections.enter_async_context(stack.watcher(driver_id)))
            await watchers[-1].start()
            assert await watchers[-1].frame(0) == acknowledgement
        sent = [location(number, 0) for number in range(5)]
        for number, watcher in enumerate(watchers):
            assert watcher.frames == sent[number:]


async def test_a_watcher_who_comes_back_gets_what_is_newest_by_then(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        await driver.send(1, 1)
        async with stack.watcher(driver_id) as watcher:
            await watcher.start()
            await watcher.frame(0)
        await driver.send(2, 2)
        newest = await driver.send(3, 3)
        async with stack.watcher(driver_id) as watcher:
            await watcher.start()
            assert await watcher.frame(0) == newest
            assert await driver.send(4, 4) == await watcher.frame(1)


@pytest.mark.parametrize("goodbye", [True, False])
async def test_a_driver_who_comes_back_is_followed_on(stack, driver_id, goodbye):
    async with stack.watcher(driver_id) as watcher:
        await watcher.start()
        for number in range(3):
            async with stack.driver(driver_id) as driver:
                assert await driver.send(number, 0) == await watcher.frame(number)
                if not goodbye:
                    driver.vanish()


async def test_a_driver_on_two_phones_is_seen_as_they_send_in_turn(stack, driver_id):
    async with (
        stack.watcher(driver_id) as watcher,
        stack.driver(driver_id) as first,
        stack.driver(driver_id) as second,
    ):
        await watcher.start()
        for number in range(0, 6, 2):
            assert await first.send(number, 0) == await watcher.frame(number)
            assert await second.send(number + 1, 0) == await watcher.frame(number + 1)
