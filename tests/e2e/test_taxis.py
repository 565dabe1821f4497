"""Real fixes of real taxis, all vehicles at once."""

import asyncio
import csv
import os
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.services import locations
from tests.services.program import PROJECT

VARIABLE = "RIDEHAIL_TAXI_FIXES"
BESIDE = PROJECT.parent / "shared" / "data" / "wuxi_taxi_fixes.csv"

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def taxis():
    """Return latitudes and longitudes as in the file, by vehicle and in order of time."""
    path = Path(os.environ.get(VARIABLE) or BESIDE)
    if not path.exists():
        pytest.skip(f"The fixes of real taxis are missing: neither {VARIABLE} nor {BESIDE} has any")
    vehicles = defaultdict(list)
    with path.open(newline="") as file:
        for row in sorted(csv.DictReader(file), key=lambda row: row["recorded_at"]):
            vehicles[row["vehicle"]].append((row["latitude"], row["longitude"]))
    return [fixes for fixes in vehicles.values() if len(fixes) > 1]


def frame(latitude, longitude):
    """Return the location frame. The file has up to 7 decimals, with trailing zeros."""
    return f'{{"location_lat": "{float(latitude)}", "location_lon": "{float(longitude)}"}}'


async def replay(driver, watcher, fixes, *, pipelined):
    """Drive one taxi through all its fixes, with a watcher."""
    frames = [frame(*fix) for fix in fixes]
    assert await driver.send(*fixes[0]) == frames[0]
    await watcher.start()
    assert await watcher.frame(0) == frames[0]
    for fix in fixes[1:]:
        number = await driver.post(*fix)
        if not pipelined:
            await driver.frame(number, seconds=30)
    await driver.frame(len(fixes) - 1, seconds=30)
    # Each acknowledged once, and in order.
    assert driver.frames == frames
    await watcher.until(lambda seen: seen[-1] == frames[-1], seconds=30)
    # Some may be left out, none may be repeated or be older than the one before.
    rest = iter(frames)
    assert all(seen in rest for seen in watcher.frames)


async def replay_all(stack, taxis):
    """Drive all taxis at once, and check the last of each in the database."""
    fleet = {stack.new_driver(): fixes for fixes in taxis}
    async with AsyncExitStack() as connections, asyncio.TaskGroup() as group:
        for number, (driver_id, fixes) in enumerate(fleet.items()):
            driver = await connections.enter_async_context(stack.driver(driver_id))
            watcher = await connections.enter_async_context(stack.watcher(driver_id))
            # Half of them wait for acknowledgements, half send as fast as the socket takes them.
            group.create_task(replay(driver, watcher, fixes, pipelined=bool(number % 2)))
    stored = locations(stack.environment)
    for driver_id, fixes in fleet.items():
        newest = (stored[driver_id].latitude, stored[driver_id].longitude)
        assert newest == tuple(map(float, fixes[-1]))


async def test_all_taxis_at_once_over_two_workers(cluster_stack, taxis):
    await replay_all(cluster_stack, taxis)


async def test_some_taxis_at_once_over_the_development_server(runserver_stack, taxis):
    await replay_all(runserver_stack, [fixes[:30] for fixes in taxis[:40]])
