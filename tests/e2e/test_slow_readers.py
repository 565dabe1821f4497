"""A hundred watchers who read nothing: what each costs, and that it ends."""

import asyncio
from contextlib import AsyncExitStack
from itertools import count

from .neighbours import GAP, Neighbours

READERS = 100
FILLING = 600  # locations: more than what lies between the server and such a watcher holds
# Bytes for all of them together, once nothing more goes out to them. A queue for each would take
# this many times over.
SLOTS = 2 * 2**20


async def test_a_hundred_slow_readers_cost_their_slots_and_are_disconnected(cluster_stack):
    stack, driver_id = cluster_stack, cluster_stack.new_driver()
    numbers, logged = count(), len(cluster_stack.watcher_server.log())

    async def send(driver, locations):
        for _ in range(locations):
            number = next(numbers)
            await driver.frame(await driver.post(number / 1e4, 1))

    def ended():
        return stack.watcher_server.log()[logged:].count("not_reading")

    with Neighbours(stack) as neighbours:
        async with AsyncExitStack() as everybody, stack.driver(driver_id) as driver:
            readers = [stack.watcher(driver_id, reads=False) for _ in range(READERS)]
            for reader in readers:
                await everybody.enter_async_context(reader)
                await reader.start()
            await send(driver, FILLING)
            full = stack.watcher_server.resident()
            sent, most = 0, full
            async with asyncio.timeout(20):
                while not ended() >= READERS:
                    await send(driver, 100)
                    sent += 100
                    most = max(most, stack.watcher_server.resident())
            assert sent > FILLING
            assert most - full < SLOTS
            for reader in readers:
                reader.resume()
                assert await reader.close_code() == 1006
        assert neighbours.in_order
        assert neighbours.longest_gap < GAP
