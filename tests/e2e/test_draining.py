"""Draining of a real server that is stopped while clients are connected."""

import asyncio
import contextlib
import json
import os
import signal
import time
import urllib.request
from urllib.error import HTTPError

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests import services

from .stack import Stack, create_people

PASSWORD = "correct horse battery staple"


class Uvicorn(services.Uvicorn):
    """A server that the test stops itself."""

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    async def ended(self, seconds=20):
        """Wait for the process to end, and return its exit code."""
        return await asyncio.to_thread(self._process.wait, seconds)


class TwoWorkers(Uvicorn):
    def command(self):
        return [*super().command(), "--workers", "2"]

    def ask(self):
        """Wait for the workers: the socket accepts connections before they are ready."""
        super().ask()
        urllib.request.urlopen(f"{self.http_url}/health/ready/", timeout=20).close()


@pytest.fixture(scope="module")
def database():
    with services.sqlite() as url:
        environment = services.environment(url)
        services.migrate(environment)
        yield environment, create_people(environment)


@pytest.fixture
def start(database):
    """Start a server on the module's database."""
    environment, tokens = database
    with contextlib.ExitStack() as running:

        def start(kind=Uvicorn, redis_url="", **settings):
            settings = {**environment, "REDIS_URL": redis_url, **settings}
            return Stack([running.enter_context(kind(settings))], tokens)

        yield start


def ask(url, data=None):
    """Return the status and the body of an answer over HTTP."""
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


async def readiness(server):
    status, body = await asyncio.to_thread(ask, f"{server.http_url}/health/ready/")
    return status, json.loads(body)["checks"]["not_draining"]


async def test_sigterm_drains_and_exits_with_0(start):
    stack = start(TRACKING_DRAIN_SECONDS="4")
    server = stack.driver_server
    drivers = [stack.new_driver() for _ in range(4)]
    async with contextlib.AsyncExitStack() as opened:
        phones = [await opened.enter_async_context(stack.driver(number)) for number in drivers]
        watchers = [await opened.enter_async_context(stack.watcher(number)) for number in drivers]
        for phone in phones:
            await phone.send("0", "0")
        for watcher in watchers:
            await watcher.start()
            await watcher.frame(0)
        assert await readiness(server) == (200, "ok")

        server.signal()
        began = time.monotonic()
        closed = {}

        async def note(name, client):
            assert await client.close_code() == 1012
            closed[name] = time.monotonic() - began

        async with asyncio.TaskGroup() as tasks:
            for number, client in enumerate((*phones, *watchers)):
                tasks.create_task(note(number, client))
        spread = sorted(closed.values())
        assert spread[0] < 2 < spread[-1]
        assert await server.ended() == 0
        assert time.monotonic() - began < 8
        assert '"error"' not in server.log()


async def test_draining_server_is_not_ready_and_refuses_handshakes(start):
    # Longer than the test, which ends it by a second signal.
    stack = start(TRACKING_DRAIN_SECONDS="60")
    server = stack.driver_server
    async with stack.watcher(stack.new_driver()) as one, stack.watcher(stack.new_driver()) as other:
        server.signal()
        closing = [asyncio.create_task(client.close_code()) for client in (one, other)]
        done, _ = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [1012]
        assert await readiness(server) == (503, "failing")
        with pytest.raises(InvalidStatus) as refused:
            await connect(one.url, proxy=None)
        assert refused.value.response.status_code == 503
        server.signal(signal.SIGINT)
        assert await server.ended() == -signal.SIGINT
        await asyncio.wait(closing)


async def test_location_sent_before_sigterm_is_acknowledged_or_not_stored(start):
    """Check also that no acknowledged location is missing."""
    stack = start(TRACKING_DRAIN_SECONDS="1", TRACKING_MAX_FIXES_PER_SECOND="0")
    drivers = [stack.new_driver() for _ in range(3)]
    async with contextlib.AsyncExitStack() as opened:
        phones = [await opened.enter_async_context(stack.driver(number)) for number in drivers]

        async def report(phone):
            with contextlib.suppress(Exception):  # until the connection ends
                for number in range(1, 100_000):
                    await phone.post(f"{number / 1000}", "0")
                    await asyncio.sleep(0)

        reporting = [asyncio.create_task(report(phone)) for phone in phones]
        for phone in phones:
            await phone.frame(20)
        stack.driver_server.signal()
        for phone in phones:
            assert await phone.close_code() == 1012
        assert await stack.driver_server.ended() == 0
        await asyncio.wait(reporting)
        for number, phone in zip(drivers, phones, strict=True):
            acknowledged = float(json.loads(phone.frames[-1])["location_lat"])
            assert stack.stored(number).latitude == acknowledged


async def test_request_under_way_is_answered(start):
    stack = start(TRACKING_DRAIN_SECONDS="0")
    server = stack.driver_server
    # Hashing the password takes longer than a drain without clients.
    body = json.dumps({"email": "jonh@gmail.com", "password": PASSWORD}).encode()
    asking = asyncio.create_task(asyncio.to_thread(ask, f"{server.http_url}/accounts/token/", body))
    while True:
        status, _ = await asyncio.to_thread(ask, f"{server.http_url}/health/live/")
        if status == 200:
            break
    server.signal()
    assert (await asking)[0] == 401
    assert await server.ended() == 0


async def test_second_signal_ends_it_at_once(start):
    stack = start(TRACKING_DRAIN_SECONDS="60")
    server = stack.driver_server
    async with stack.driver(stack.new_driver()) as phone, stack.watcher(stack.new_driver()):
        await phone.send("1", "1")
        server.signal()
        while (await readiness(server))[0] == 200:
            pass
        server.signal(signal.SIGINT)
        assert await server.ended(2) == -signal.SIGINT


async def test_both_workers_of_a_port_drain(start, redis_service):
    stack = start(TwoWorkers, redis_service.url, TRACKING_DRAIN_SECONDS="1")
    async with contextlib.AsyncExitStack() as opened:
        phones = [
            await opened.enter_async_context(stack.driver(stack.new_driver())) for _ in range(12)
        ]
        for phone in phones:
            await phone.send("1", "1")
        stack.driver_server.signal()
        assert [await phone.close_code() for phone in phones] == [1012] * 12
        # No worker accepts any more, so no connection may wait to be accepted.
        with pytest.raises(ConnectionRefusedError):
            await connect(phones[0].url, proxy=None)
        assert await stack.driver_server.ended() == 0


async def test_second_signal_ends_all_workers_at_once(start, redis_service):
    stack = start(TwoWorkers, redis_service.url, TRACKING_DRAIN_SECONDS="60")
    async with contextlib.AsyncExitStack() as opened:
        # One worker has at least two of three sockets. Had each only one, which is closed at once,
        # the server would have ended before the second signal.
        for _ in range(3):
            phone = await opened.enter_async_context(stack.driver(stack.new_driver()))
            await phone.send("1", "1")
        stack.driver_server.signal()
        await asyncio.to_thread(_until_refused, stack.driver_server)
        stack.driver_server.signal()
        assert await stack.driver_server.ended(3) == 1


@pytest.mark.long
async def test_sigterm_while_workers_are_replaced_takes_no_longer(start, redis_service):
    stack = start(TwoWorkers, redis_service.url, TRACKING_DRAIN_SECONDS="3")
    server = stack.driver_server
    async with contextlib.AsyncExitStack() as opened:
        phones = [
            await opened.enter_async_context(stack.driver(stack.new_driver())) for _ in range(12)
        ]
        for phone in phones:
            await phone.send("1", "1")
        server.signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            while "Draining" not in server.log():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.05)
        server.signal()
        began = time.monotonic()
        assert await server.ended() == 0
        # The time of one drain, not the sum over the workers.
        assert time.monotonic() - began < 3 + 2.5
        assert [await phone.close_code() for phone in phones] == [1012] * 12
        assert server.log().count("Started server") == 3


def _until_refused(server):
    while True:
        try:
            services.Process.ask(server)
        except OSError:
            return


async def test_sighup_replaces_the_workers_while_the_port_answers(start, redis_service):
    stack = start(TwoWorkers, redis_service.url, TRACKING_DRAIN_SECONDS="0.2")
    server = stack.driver_server
    async with stack.driver(stack.new_driver()) as phone:
        await phone.send("1", "1")
        server.signal(signal.SIGHUP)
        answers = []
        while phone._connection.close_code is None or server.log().count("Started server") < 4:
            answers.append((await asyncio.to_thread(ask, f"{server.http_url}/health/live/"))[0])
        assert await phone.close_code() == 1012
        assert set(answers) == {200}
    server.signal()
    assert await server.ended() == 0


async def test_sighup_without_a_supervisor_drains_and_ends(start):
    """Check that the process ends, as systemd then starts a new one."""
    stack = start(TRACKING_DRAIN_SECONDS="0.2")
    server = stack.driver_server
    driver_id = stack.new_driver()
    async with stack.driver(driver_id) as phone:
        await phone.send("1", "1")
        server.signal(signal.SIGHUP)
        assert await phone.close_code() == 1012
    assert await server.ended() == 0
    assert "Draining" in server.log()
