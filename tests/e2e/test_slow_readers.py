"""A hundred watchers that read nothing: their memory is bounded, and they are disconnected."""

import asyncio
from contextlib import AsyncExitStack
from itertools import count, islice

import pytest

from .neighbours import GAP, Neighbours
from .stack import Stack

READERS = 100
FILLING = 600  # locations: more than all buffers between the server and such a watcher hold
# Bytes for all of them together, once their buffers are full. A queue for each would take many
# times as much.
SLOTS = 2 * 2**20


@pytest.mark.long
async def test_a_hundred_slow_readers_cost_their_slots_and_are_disconnected(cluster_stack):
    stack, driver_id = cluster_stack, cluster_stack.new_driver()
    # On the readers' worker: other workers receive only the newest of many.
    one = Stack([stack.watcher_server], stack.tokens)
    numbers, logged = count(), len(cluster_stack.watcher_server.log())

    async def send(driver, hundreds):
        for _ in range(hundreds):
            await driver.send_together((number / 1e4, 1) for number in islice(numbers, 100))

    def ended():
        return stack.watcher_server.log()[logged:].count("not_reading")

    with Neighbours(stack) as neighbours:
        async with AsyncExitStack() as everybody, one.driver(driver_id) as driver:
            readers = [one.watcher(driver_id, reads=False) for _ in range(READERS)]
            for reader in readers:
                await everybody.enter_async_context(reader)
                await reader.start()
            await send(driver, FILLING // 100)
            full = stack.watcher_server.resident()
            sent, most = 0, full
            async with asyncio.timeout(20):
                while not ended() >= READERS:
                    await send(driver, 1)
                    await asyncio.sleep(0.05)
                    sent += 100
                    most = max(most, stack.watcher_server.resident())
            assert sent > FILLING
            assert most - full < SLOTS
            for reader in readers:
                reader.resume()
                assert await reader.close_code() == 1006
        assert neighbours.in_order
        assert neighbours.longest_gap() < GAP
