"""Two real workers on one database that publish to one real Redis, or to two."""

import asyncio
from contextlib import ExitStack

import pytest

from tests import services

from .client import DEADLINE
from .test_monitoring import ask

SILENT = "Messages of 1 of 1 other workers do not arrive through the channel layer"
RECEIVED_AGAIN = "Messages of all workers arrive through the channel layer again"

COUNTED = """
import time
from tracking.models import Worker

deadline = time.monotonic() + 20
while True:
    sent = sorted(Worker.objects.values_list("sent", flat=True))
    if len(sent) == 2 and sent[0] >= 10 or time.monotonic() > deadline:
        break
    time.sleep(0.1)
print(sent)
"""


class Hurried(services.Uvicorn):
    def command(self):
        python, _, *arguments = super().command()
        return [python, "-m", "tests.e2e.hurried", *arguments]


@pytest.fixture(scope="module")
def redises():
    with ExitStack() as stack:
        program = services.find_redis()
        yield [stack.enter_context(services.Redis(program)) for _ in range(2)]


@pytest.fixture
def database(postgres_service):
    url = postgres_service.new_database()
    services.manage(services.environment(url), "migrate", "--no-input")
    return url


@pytest.fixture
def start(database):
    """Start a worker on a Redis."""
    with ExitStack() as stack:

        def start(redis, **settings):
            environment = services.environment(database, redis.url, **settings)
            return stack.enter_context(Hurried(environment, f"uvicorn on {redis.port}"))

        yield start


def readiness(worker):
    return ask(f"{worker.http_url}/health/ready/")


async def until(worker, status):
    """Wait until a worker is ready with this status, and its check of the channel layer with the
    result that belongs to it, which may come a moment later; return its answer, 200 in each status.
    """
    result = "failing" if status == "degraded" else "ok"
    async with asyncio.timeout(DEADLINE):
        while True:
            code, answer = await asyncio.to_thread(readiness, worker)
            assert code == 200
            if (answer["status"], answer["checks"]["channel_layer"]) == (status, result):
                return answer
            await asyncio.sleep(0.1)


async def log_has(worker, text):
    async with asyncio.timeout(DEADLINE):
        while text not in worker.log():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_two_workers_on_one_redis_are_ready_and_stay_so(start, database, redises):
    workers = [start(redises[0]), start(redises[0])]
    shell = ("shell", "--no-imports", "-c", COUNTED)
    counts = await asyncio.to_thread(services.manage, services.environment(database), *shell)
    first, second = map(int, counts.strip().strip("[]").split(","))
    assert min(first, second) >= 10
    for worker in workers:
        assert readiness(worker)[1]["status"] == "ready"
        assert "do not arrive through the channel layer" not in worker.log()


@pytest.mark.parametrize("difference", ["redis", pytest.param("prefix", marks=pytest.mark.long)])
async def test_two_workers_that_do_not_receive_each_other_report_it_until_they_do(
    start, redises, difference
):
    one = start(redises[0])
    if difference == "redis":
        other = start(redises[1])
    else:
        other = start(redises[0], REDIS_PREFIX="staging")
    for worker in (one, other):
        answer = await until(worker, "degraded")
        assert answer["degraded"] == ["workers"]
        await log_has(worker, SILENT)
        assert worker.log().count(SILENT) == 1
    # One is stopped, and started with the Redis of the other.
    await asyncio.to_thread(other.stop)
    right = start(redises[0])
    await log_has(one, RECEIVED_AGAIN)
    assert (await until(one, "ready"))["degraded"] == []
    await until(right, "ready")


@pytest.mark.long
async def test_a_worker_that_is_killed_and_a_redis_that_restarts_are_not_reported(start, redises):
    workers = [start(redises[0]), start(redises[0])]
    for worker in workers:
        await until(worker, "ready")
    await asyncio.to_thread(workers[1].kill)
    await asyncio.to_thread(redises[0].kill)
    await until(workers[0], "degraded")
    await asyncio.to_thread(redises[0].start)
    await until(workers[0], "ready")
    await asyncio.to_thread(workers[1].start)
    await until(workers[1], "ready")
    for worker in workers:
        assert "do not arrive through the channel layer" not in worker.log()
