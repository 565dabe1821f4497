"""Fixes with the device's own time, one by one and in batches, on either stack."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from .client import Driver, read_error
from .frames import ago, fix, location, processed, shown
from .http import call


async def test_late_fix_is_acknowledged_and_never_moves_the_dot_backwards(stack, driver_id):
    """Check late fixes of another connection on another worker, too."""
    async with (
        stack.driver(driver_id) as driver,
        Driver(stack.watcher_server.websocket_url, driver_id, stack.tokens[driver_id]) as second,
        stack.watcher(driver_id) as watcher,
    ):
        await watcher.start()
        await driver.send(1, 0, recorded_at=ago(10))
        await watcher.frame(0)
        for late in (driver, second):
            assert await late.send(2, 0, recorded_at=ago(20)) == location(2, 0)
        await driver.send(3, 0, recorded_at=ago(5))
        await watcher.frame(1)
        assert shown(watcher) == ["1", "3"]
        assert stack.stored(driver_id).latitude == 3


async def test_watcher_that_begins_while_late_fixes_come_in_sees_none_of_them(stack, driver_id):
    """Check a watcher that starts again on its connection, and a new one."""

    async def send_late():
        for second in count():  # A backlog, sent faster than it was measured.
            await driver.send(1, 0, recorded_at=(began + timedelta(seconds=second)).isoformat())

    began = datetime.now(UTC) - timedelta(days=2)
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await driver.send(9, 0, recorded_at=ago(1))
        sending = asyncio.create_task(send_late())
        for again in range(50):
            await watcher.start()
            await watcher.frame(again)
            await watcher.send_message(command="stop")
            await processed(watcher)
            watcher.frames.pop()  # the error
        for _ in range(50):
            async with stack.watcher(driver_id) as fresh:
                await fresh.start()
                assert await fresh.frame(0) == location(9, 0)
        sending.cancel()
        assert len(driver.frames) > 50
        assert set(shown(watcher)) == {"9"}


async def test_time_in_the_future_is_read_as_the_time_of_arrival(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        await driver.send(1, 0, recorded_at=ago(-3600))
        stored = stack.stored(driver_id)
        assert stored.recorded_at == stored.received_at
        assert stored.clock_offset == pytest.approx(-3600, abs=5)
        # The clock is corrected; the dot moves with the first fix later than the wrong time.
        await driver.send(2, 0, recorded_at=ago(0.2))
        await driver.send(3, 0, recorded_at=ago(0))
        stored = stack.stored(driver_id)
        assert (stored.latitude, stored.clock_offset) == (3, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"recorded_at": "2026-01-31T12:00:00"},
        {"recorded_at": 1769860800},
        {"heading": 361},
        {"heading": "90"},
        {"speed": "fast"},
        {"accuracy": [0]},
    ],
    ids=str,
)
async def test_impossible_measurement_is_answered_and_the_connection_goes_on(
    stack, driver_id, wrong
):
    async with stack.driver(driver_id) as driver:
        code, message = read_error(await driver.send(1, 2, **wrong))
        assert code == "invalid_message"
        assert message.startswith(*wrong)
        assert await driver.send(1, 2) == location(1, 2)


# Catching up


async def test_batch_shows_and_stores_its_newest_and_is_acknowledged_once(stack, driver_id):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await watcher.start(details=True)
        await watcher.frame(0)
        fixes = [fix(number, seconds_ago=30 - number) for number in range(20)]
        batch = {"token": driver.token, "command": "send_batch", "fixes": fixes[10:] + fixes[:10]}
        await driver.send_message(**batch)
        await driver.send_message(**batch)  # A phone on a bad network sends again.
        await driver.send_message(**batch | {"fixes": fixes[:5]})
        await driver.frame(2)
        assert driver.frames == [location(19, 0), location(19, 0), location(4, 0)]
        for number in (1, 2, 3):  # the second and the third only show that the phone is online
            frame = json.loads(await watcher.frame(number))
            assert frame["recorded_at"] == fixes[19]["recorded_at"]
        await driver.send_message(**batch | {"fixes": [fix(21)]})
        await watcher.frame(4)
        assert shown(watcher) == ["19", "19", "19", "21"]
        await driver.frame(3)
        assert stack.stored(driver_id).latitude == 21


@pytest.mark.parametrize(
    ("fixes", "code"),
    [
        ([], "invalid_message"),
        ([fix(1)] * 101, "invalid_message"),
        (fix(1), "invalid_message"),
        ([fix(92), fix(91)], "invalid_location"),
        ([{"lat": 1}], "invalid_location"),
    ],
    ids=["none", "too many", "no list", "out of range", "incomplete"],
)
async def test_batch_without_one_good_fix_is_refused(stack, driver_id, fixes, code):
    async with stack.driver(driver_id) as driver:
        await driver.send_message(token=driver.token, command="send_batch", fixes=fixes)
        assert read_error(await driver.frame(0))[0] == code
        assert stack.stored(driver_id) is None
        await driver.send_message(token=driver.token, command="send_batch", fixes=[fix(1)] * 100)
        assert await driver.frame(1) == location(1, 0)


async def test_one_bad_fix_costs_none_of_its_99_neighbours_on_the_socket_or_over_rest(
    stack, driver_id
):
    fixes = [fix(number / 10, seconds_ago=200 - number) for number in range(100)]
    fixes[99] = fix(91, seconds_ago=0)
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await watcher.start()
        batch = {"token": driver.token, "command": "send_batch", "fixes": fixes}
        await driver.send_message(**batch)
        assert await driver.frame(0) == await watcher.frame(0) == location(9.8, 0)
        await driver.send_message(**batch, details=True)
        verdicts = json.loads(await driver.frame(1))["rejected"]
        assert [(verdict["index"], verdict["code"]) for verdict in verdicts] == [
            (99, "invalid_location")
        ]
    path = f"/driver/{driver_id}/locations/"
    answer = await call(
        stack.driver_server.port, "POST", path, stack.tokens[driver_id], {"fixes": fixes}
    )
    assert (answer.status, answer.json()) == (200, {"rejected": verdicts})
    assert stack.stored(driver_id).latitude == 9.8
