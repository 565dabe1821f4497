"""The harness itself: users, real clients and a browser, before anything is built on them."""

import json

import pytest

from tests.e2e.client import Client, Driver, Watcher
from tests.services import create_users, locations

PEOPLE = [
    {"id": 901, "email": "driver@example.org", "name": "Driver", "role": "driver"},
    {"id": 902, "email": "watcher@example.org", "name": "Watcher", "role": "rider"},
]


def test_users_created_twice_are_overwritten(runserver):
    create_users(runserver.environment, PEOPLE)
    tokens = create_users(runserver.environment, PEOPLE)
    assert list(tokens) == [901, 902]


async def test_a_sent_location_is_acknowledged_and_read_back_from_sqlite(runserver):
    tokens = create_users(runserver.environment, PEOPLE)
    async with Driver(runserver.websocket_url, 901, tokens[901]) as driver:
        assert json.loads(await driver.send("1.5", "2.25"))["location_lat"] == "1.5"
    stored = locations(runserver.environment)[901]
    assert (stored.latitude, stored.longitude) == (1.5, 2.25)
    assert stored.received_at.utcoffset().total_seconds() == 0


async def test_a_driver_on_one_worker_reaches_watchers_on_the_other(cluster):
    first, second = cluster
    tokens = create_users(first.environment, PEOPLE)
    async with (
        Watcher(second.websocket_url, 901, tokens[902]) as watcher,
        Watcher(second.websocket_url, 901, tokens[902]) as vanishing,
        Watcher(second.websocket_url, 901, tokens[902], reads=False) as stalled,
        Driver(first.websocket_url, 901, tokens[901]) as driver,
    ):
        await driver.send("1", "2")
        for each in (watcher, vanishing, stalled):
            await each.start()
        await watcher.frame(0)
        await vanishing.frame(0)
        vanishing.vanish()
        assert await vanishing.close_code() == 1006
        acknowledgement = await driver.send("3.000", "4")
        await watcher.until(lambda frames: frames[-1] == acknowledgement)
        assert stalled.frames == []
        stalled.resume()
        await stalled.until(lambda frames: frames[-1:] == [acknowledgement])
    assert locations(first.environment)[901].latitude == 3


async def test_a_close_code_of_the_server_is_seen_and_a_missing_frame_is_an_error(runserver):
    async with Client(f"{runserver.websocket_url}/driver/get-tracking?userId=x") as client:
        assert await client.close_code() == 4400
        await client.frame(0)
        with pytest.raises(AssertionError, match="closed with 4400"):
            await client.frame(5)


async def test_the_browser_opens_a_socket_to_the_server(runserver, browser_page):
    opened = await browser_page.evaluate(
        """(url) => new Promise((resolve) => {
            const socket = new WebSocket(url);
            socket.onopen = () => resolve(true);
            socket.onerror = () => resolve(false);
        })""",
        f"{runserver.websocket_url}/driver/get-tracking?userId=901",
    )
    assert opened
