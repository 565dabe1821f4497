"""Watchers that vanish or do not read, and a Redis that dies, do not affect other watchers."""

import asyncio

import pytest

from tests.services import Redis, cluster, environment, find_redis

from .conftest import UNLIMITED
from .stack import Stack, create_people

# Locations. The buffers between the server and a watcher that does not read were seen to hold 370.
# With more, the kernel makes no room for later ones.
FILLING = 3_000


async def fill(driver):
    """Make the server send more than all buffers hold on the way to a watcher that does not read.

    The driver sends many locations; the watcher does not repeat its request, as a socket with such
    small buffers, once full, was seen to get no more TCP acknowledgements of its own data. The
    driver must be on the watcher's own worker: other workers receive only the newest of many.
    """
    for hundred in range(0, FILLING, 100):
        await driver.send_together(((hundred + number) / 1000, -1) for number in range(100))


async def follow(driver, watcher, count):
    """Send locations, wait until each arrives before the next, and return the frames."""
    sent = []
    for number in range(count):
        sent.append(await driver.send(number / 1000, len(watcher.frames) / 1000))
        await watcher.until(lambda frames: frames[-1:] == sent[-1:])
    return sent


@pytest.mark.parametrize("speaks", [True, False])
async def test_a_watcher_who_vanishes_takes_nothing_from_the_other(stack, driver_id, speaks):
    async with (
        stack.driver(driver_id) as driver,
        stack.watcher(driver_id) as watcher,
        stack.watcher(driver_id) as vanishing,
    ):
        await driver.send(1, 2)
        for each in (watcher, vanishing):
            await each.start()
            await each.frame(0)
        if speaks:
            await vanishing.start()
        vanishing.vanish()
        sent = await follow(driver, watcher, 100)
        assert watcher.frames[1:] == sent
        async with stack.watcher(driver_id) as late:
            await late.start()
            assert await late.frame(0) == sent[-1]


async def test_a_watcher_who_does_not_read_takes_nothing_from_the_other(cluster_stack):
    driver_id = cluster_stack.new_driver()
    one = Stack([cluster_stack.watcher_server], cluster_stack.tokens)
    async with (
        one.driver(driver_id) as driver,
        one.watcher(driver_id) as watcher,
        one.watcher(driver_id, reads=False) as stalled,
    ):
        await driver.send(1, 2)
        for each in (stalled, watcher):
            await each.start()
        await watcher.frame(0)
        await fill(driver)
        sent = await follow(driver, watcher, 100)
        assert watcher.frames[-100:] == sent
        # It now gets the buffered locations, then the newest, and none of those in between.
        stalled.resume()
        await stalled.until(lambda frames: frames[-1:] == sent[-1:])
        assert len(stalled.frames) < FILLING
        assert stalled.frames == [frame for frame in driver.frames if frame in stalled.frames]
        assert len(set(sent) & set(stalled.frames)) < 10
        newest = await driver.send(3, 4)
        for each in (watcher, stalled):
            await each.until(lambda frames: frames[-1:] == [newest])


@pytest.mark.parametrize("stack", ["cluster"], indirect=True)
async def test_a_watcher_who_does_not_read_for_long_is_disconnected(strict, driver_id):
    token = strict.tokens[driver_id]
    async with (
        strict.driver(driver_id) as driver,
        strict.watcher(driver_id, token=token) as watcher,
        strict.watcher(driver_id, token=token, reads=False) as stalled,
    ):
        await driver.send(1, 2)
        for each in (watcher, stalled):
            await each.start()
        await fill(driver)
        async with asyncio.timeout(10):
            while "not_reading" not in strict.log():
                await follow(driver, watcher, 10)
        stalled.resume()
        assert await stalled.close_code() == 1006
        await follow(driver, watcher, 10)


@pytest.mark.long
async def test_watchers_get_locations_from_the_database_while_redis_is_dead(postgres_service):
    with (
        Redis(find_redis()) as redis,
        cluster(environment(postgres_service.new_database(), redis.url, **UNLIMITED)) as servers,
    ):
        stack = Stack(servers, create_people(servers[0].environment))
        driver_id = stack.new_driver()
        async with (
            stack.driver(driver_id) as driver,
            stack.watcher(driver_id) as watcher,
            stack.watcher(driver_id) as late,
        ):
            await driver.send(1, 2)
            await watcher.start()
            await follow(driver, watcher, 10)
            redis.kill()
            async with asyncio.timeout(10):
                sent = await follow(driver, watcher, 2)
            await late.start()
            assert await late.frame(0) == sent[-1]
            async with asyncio.timeout(10):
                await follow(driver, late, 1)
            redis.start()
            # From the database alone, each location would take a second.
            for each in (watcher, late):
                async with asyncio.timeout(15):
                    await follow(driver, each, 30)
            assert "watchers are served from the database" in servers[0].log()
            assert "Live locations are broadcast again" in servers[0].log()
