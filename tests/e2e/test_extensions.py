"""Extensions of the contract, on either stack: only clients that request one see it."""

import json
import time
from contextlib import AsyncExitStack

from tests.documents import fitting

from .client import Watcher, read_error
from .frames import ago, fix, location, processed, shown
from .stack import OTHER_DRIVER, RIDER
from .tokens import login_token

GRACE_PERIOD = 5.0  # seconds from a driver's disconnection until it is offline
START = {"command": "start"}


# Watchers that request nothing


async def test_watcher_without_details_gets_the_contracts_frames_beside_one_with_details(
    stack, driver_id
):
    async with (
        stack.watcher(driver_id) as plain,
        stack.watcher(driver_id) as detailed,
        stack.driver(driver_id) as driver,
    ):
        await plain.start()
        await detailed.start(details=True)
        await detailed.frame(0)
        for number in range(1, 4):
            await driver.send(number, -number, heading=number, speed=1.5, recorded_at=ago(9))
            await plain.frame(number - 1)
            await detailed.frame(number)
        # Repeated and late fixes: the phone is online, and its place stays.
        at = json.loads(detailed.frames[3])["recorded_at"]
        await driver.send(3, -3, heading=3, speed=1.5, recorded_at=at)
        await driver.send(7, 7, recorded_at=ago(60))
        left_at = time.time()
        driver.vanish()
        await detailed.until(lambda frames: '"offline"' in frames[-1])
        assert GRACE_PERIOD - 0.5 < detailed.times[-1] - left_at < GRACE_PERIOD + 1.5
        await processed(plain)
        assert plain.frames[:-1] == [location(number, -number) for number in range(1, 4)]
        assert driver.frames == [*plain.frames[:-1], plain.frames[2], location(7, 7)]
        statuses = [json.loads(frame)["status"] for frame in detailed.frames]
        assert statuses == ["unknown", "live", "live", "live", "live", "live", "offline"]
        places = [
            {key: frame[key] for key in ("location_lat", "recorded_at")}
            for frame in map(json.loads, detailed.frames[3:])
        ]
        assert places == [places[0]] * 4
        for frame in detailed.frames:
            assert fitting("getTracking", "send", json.loads(frame)) in (["details"], ["unknown"])


# Details


async def test_details_are_the_same_on_every_worker(stack, driver_id):
    async with AsyncExitStack() as connections:
        driver = await connections.enter_async_context(stack.driver(driver_id))
        watchers = [
            await connections.enter_async_context(
                Watcher(server.websocket_url, driver_id, stack.tokens[RIDER])
            )
            for server in stack.servers
        ]
        for watcher in watchers:
            await watcher.start(details=True)
            assert await watcher.frame(0) == f'{{"userId": {driver_id}, "status": "unknown"}}'
        recorded_at = ago(2)
        await driver.send(1, 2, recorded_at=recorded_at, heading=359.5, speed=0, accuracy=4)
        frames = [await watcher.frame(1) for watcher in watchers]
        assert set(frames) == {frames[0]}
        details = json.loads(frames[0])
        assert details["received_at"] == details["heard_at"] >= recorded_at
        del details["received_at"], details["heard_at"]
        assert details == {
            "location_lat": "1",
            "location_lon": "2",
            "userId": driver_id,
            "recorded_at": recorded_at,
            "heading": 359.5,
            "speed": 0,
            "accuracy": 4,
            "clock_offset": None,
            "status": "live",
        }


async def test_watcher_may_change_its_mind_about_details(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await driver.send(1, 2)
        for details in (False, True, False):
            await watcher.start(details=details)
        await watcher.frame(2)
        assert ["status" in frame for frame in watcher.frames] == [False, True, False]
        await driver.send(3, 4)
        assert await watcher.frame(3) == location(3, 4)


# Token in the first message only, stop


async def test_token_is_needed_once(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        for client, payload in ((driver, fix(1) | {"command": "send"}), (watcher, START)):
            await client.send_message(**payload)
            assert read_error(await client.frame(0))[0] == "invalid_message"
            await client.send_message(token=client.token, **payload)
            assert await client.frame(1) == location(1, 0)
            await client.send_message(**payload)
            await client.frame(2)
        await driver.send_message(command="send_batch", fixes=[fix(2)])
        assert await driver.frame(3) == await watcher.frame(3) == location(2, 0)


async def test_newer_token_extends_the_connection(stack, driver_id):
    expires_at = int(time.time()) + 3
    expiring, newer = (login_token(RIDER, expires_at=at) for at in (expires_at, expires_at + 600))
    async with (
        stack.driver(driver_id) as driver,
        stack.watcher(driver_id, token=expiring) as lost,
        stack.watcher(driver_id, token=expiring) as extended,
    ):
        await driver.send(1, 0)
        for watcher in (lost, extended):
            await watcher.start()
            await watcher.frame(0)
        await extended.send_message(token=newer, command="start")
        await extended.send_message(token=expiring, command="start")  # late, shortens nothing
        assert await lost.close_code() == 4401
        assert time.time() >= expires_at
        await extended.send_message(command="start")
        await driver.send(2, 0)
        await extended.until(lambda frames: frames[-1] == location(2, 0))
        assert shown(extended) == ["1", "1", "1", "1", "2"]


async def test_token_of_another_user_is_refused_on_a_stream(stack, driver_id):
    async with stack.watcher(driver_id) as watcher:
        await watcher.start()
        watcher.token = stack.tokens[OTHER_DRIVER]
        await watcher.start()
        assert read_error(await watcher.frame(0))[0] == "forbidden"
        assert await watcher.close_code() == 4403


async def test_stopped_stream_is_silent_until_it_is_started_again(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await driver.send(1, 0)
        for number in (2, 3):
            await watcher.start(details=True)
            await processed(watcher)
            await watcher.send_message(command="stop")
            await watcher.send_message(command="stop")
            await processed(watcher)
            await driver.send(f"{number}.5", 0)
            await driver.send(number, 0)
        await watcher.start()
        await processed(watcher)
        assert shown(watcher) == ["1", "2", "3"]
