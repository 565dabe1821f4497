"""The effect of a flooding driver and thousands of silent connections: delays of other clients, and
memory of the workers.
"""

import asyncio
import json
import resource
import sys
import time
from statistics import quantiles

import pytest

from tests import services
from tests.services.program import PROJECT

from .stack import DRIVER, Stack, create_people

pytestmark = pytest.mark.alone

IDLE, SECONDS = 2_000, 10
# Together they send as much as the limit of one connection allows ten to send.
OTHERS, INTERVAL = 10, 0.2
P99 = 0.050  # seconds from a driver on one worker to a watcher on the other
# Bytes that the first flood may take in a worker: twice the 21 to 24 MB that were seen, most of
# which are its thousand connections.
MAX_FIRST_GROWTH = 48 * 2**20
# Bytes of a worker that the last flood may take beyond the peak of the first: half of what its
# thousand connections hold while they last. A leak would add up over the floods.
MAX_LATER_GROWTH = 16 * 2**20
# Other processes on the machine can slow the workers down in some floods; a fault does in all of
# them. So the best of several floods counts.
MIN_FLOODS, MAX_FLOODS = 2, 4


@pytest.fixture(scope="module")
def stack(postgres_service, redis_service):
    """Start two workers with production's default limits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    environment = services.environment(postgres_service.new_database(), redis_service.url)
    with services.cluster(environment) as workers:
        yield Stack(workers, create_people(environment))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Other:
    """A driver on one worker, a watcher on the other, and the delay of each location."""

    def __init__(self, stack):
        driver_id = stack.new_driver()
        self.driver, self.watcher = stack.driver(driver_id), stack.watcher(driver_id)
        self.delays = []

    async def stream(self, delay):
        async with self.driver as driver, self.watcher as watcher:
            await watcher.start()
            await driver.send(0, 0)
            await watcher.frame(0)
            await asyncio.sleep(delay)  # Drivers send in turn, not all at once.
            for number in range(1, int(SECONDS / INTERVAL) + 1):
                sent_at = time.time()
                await driver.post(number / 100, 0)
                await watcher.frame(number)
                self.delays.append(watcher.times[number] - sent_at)
                await asyncio.sleep(INTERVAL - (time.time() - sent_at))


async def flood(stack):
    """Return the flood's own result, the others' delays meanwhile, and the workers' peak memory."""
    plan = {
        "flooded": stack.driver_server.port,
        "target": f"/driver/set-tracking?userId={DRIVER}",
        "token": stack.tokens[DRIVER],
        "ports": [server.port for server in stack.servers],
        "idle": IDLE,
        "seconds": SECONDS,
    }
    command = [sys.executable, "-m", "tests.e2e.flood", json.dumps(plan)]
    others = [Other(stack) for _ in range(OTHERS)]
    most = {server.name: 0 for server in stack.servers}

    async def watch_memory():
        while True:
            for server in stack.servers:
                most[server.name] = max(most[server.name], server.resident())
            await asyncio.sleep(0.1)

    process = await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    memory = asyncio.create_task(watch_memory())
    try:
        assert await process.stdout.readline() == b"ready\n"
        async with asyncio.TaskGroup() as tasks:
            for number, other in enumerate(others):
                tasks.create_task(other.stream(number * INTERVAL / OTHERS))
        result = json.loads(await process.stdout.readline())
    finally:
        memory.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()
    return result, [delay for other in others for delay in other.delays], most


def p99_of(delays):
    return quantiles(delays, n=100)[98]


async def test_a_flood_is_not_felt_by_others_and_leaves_nothing_behind(stack):
    p99s, peaks = [], [{server.name: server.resident() for server in stack.servers}]
    while len(p99s) < MIN_FLOODS or (min(p99s) > P99 and len(p99s) < MAX_FLOODS):
        result, delays, most = await flood(stack)
        assert result["sent"] > 900 * SECONDS
        assert set(result["flooding"]) == {"4429"}
        assert result["idle"] == {"4408": IDLE}
        assert len(delays) == SECONDS / INTERVAL * OTHERS
        p99s.append(p99_of(delays))
        peaks.append(most)
    assert min(p99s) < P99, p99s
    for server in stack.servers:
        before, first, *_, last = (peak[server.name] for peak in peaks)
        assert first - before < MAX_FIRST_GROWTH
        assert last - first < MAX_LATER_GROWTH
