"""`manage.py tracking_serve`, for a host whose ASGI application knows nothing of the server."""

import asyncio
import os
import signal
import sys
import time
import urllib.request

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests import services
from tests.services.program import PROJECT

from .client import DEADLINE
from .stack import Stack, create_people

TOKEN = "t" * 40


class TrackingServe(services.Uvicorn):
    """Two workers, which the test stops itself."""

    def command(self):
        command = [sys.executable, PROJECT / "manage.py", "tracking_serve"]
        return [*command, "--port", str(self.port), "--workers", "2"]

    def ask(self):
        """Wait for the workers: the socket accepts connections before they are ready."""
        super().ask()
        urllib.request.urlopen(f"{self.http_url}/health/ready/", timeout=20).close()


def workers(server):
    """Return the names of the workers in the metrics of one of them."""
    request = urllib.request.Request(
        f"{server.http_url}/metrics/", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return {line for line in lines if line.startswith("tracking_draining{")}


async def test_plain_host_gets_health_metrics_of_all_workers_and_a_drain(redis_service):
    with services.sqlite() as url:
        environment = services.environment(
            url,
            redis_service.url,
            DJANGO_SETTINGS_MODULE="tests.e2e.plain_host",
            TRACKING_METRICS_TOKEN=TOKEN,
            TRACKING_DRAIN_SECONDS="2",
        )
        services.migrate(environment)
        tokens = create_people(environment)
        with TrackingServe(environment) as server:
            deadline = time.monotonic() + DEADLINE
            while len(await asyncio.to_thread(workers, server)) < 2:
                assert time.monotonic() < deadline
            stack = Stack([server], tokens)
            number = stack.new_driver()
            async with stack.driver(number) as phone, stack.watcher(number) as watcher:
                await watcher.start()
                await phone.send("1", "2")
                await watcher.frame(0)
                os.kill(server.pid, signal.SIGTERM)
                assert await phone.close_code() == 1012
                assert await watcher.close_code() == 1012
            assert await asyncio.to_thread(server._process.wait, 20) == 0
        assert "Traceback" not in server.log()


async def test_plain_host_refuses_handshakes_while_it_drains():
    with services.sqlite() as url:
        environment = services.environment(
            url, DJANGO_SETTINGS_MODULE="tests.e2e.plain_host", TRACKING_DRAIN_SECONDS="60"
        )
        services.migrate(environment)
        tokens = create_people(environment)

        class OneWorker(TrackingServe):
            def command(self):
                return super().command()[:-2]

        with OneWorker(environment) as server:
            stack = Stack([server], tokens)
            numbers = [stack.new_driver() for _ in range(2)]
            async with stack.driver(numbers[0]) as one, stack.driver(numbers[1]) as other:
                await one.send("1", "2")
                await other.send("1", "2")
                os.kill(server.pid, signal.SIGTERM)
                closing = [asyncio.create_task(phone.close_code()) for phone in (one, other)]
                done, _ = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
                assert [task.result() for task in done] == [1012]
                with pytest.raises(InvalidStatus) as refused:
                    await connect(one.url, proxy=None)
                assert refused.value.response.status_code == 503
                os.kill(server.pid, signal.SIGINT)
                assert await asyncio.to_thread(server._process.wait, 20) == -signal.SIGINT
                await asyncio.wait(closing)
