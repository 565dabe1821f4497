"""The limit of the log lines that strangers can cause on a real server."""

import asyncio
import json
import time

import pytest

from ridehail.logs import MAX_LINES_PER_SECOND
from tests import services

from .client import DEADLINE, Driver
from .raw import handshake
from .stack import DRIVER, person

CONNECTIONS = 1_000
AT_ONCE = 50
# The greatest size of a line, in bytes, whatever a stranger sends.
MAX_SIZE = 1_500


@pytest.fixture(scope="module")
def server():
    with services.sqlite() as database_url:
        environment = services.environment(database_url, LOG_FORMAT="json")
        services.migrate(environment)
        with services.Uvicorn(environment, "log volume") as server:
            yield server


@pytest.fixture(scope="module")
def token(server):
    return services.create_users(server.environment, [person(DRIVER)])[DRIVER]


def request(target="/health/live/", method="GET", host="localhost", **headers):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


LONG = "x" * 10_000
CHURN = {
    "sockets without a token": (
        "tracking.consumers.record",
        handshake(b"/driver/get-tracking?userId=19"),
    ),
    "pages that are not there": ("django.request", request(f"/{LONG}/")),
    "other hosts": ("django.security.DisallowedHost", request("/admin/", host=f"{LONG}.example")),
    "no CSRF token": (
        "django.security.csrf",
        request(f"/accounts/login/?{LONG}", "POST", Content_Length=0),
    ),
    "no HTTP": ("uvicorn.error", b"\0" * 100 + b"\r\n\r\n"),
}


async def call(port, data):
    """Send a stranger's bytes, and close the connection after an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await reader.read(100)
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


def lines_of(server, logger, start):
    """Return a logger's lines after this number of characters of the log."""
    written, _, _ = server.log()[start:].rpartition("\n")
    lines = [json.loads(line) for line in written.splitlines()]
    return [line for line in lines if line["logger"] == logger]


@pytest.mark.long
@pytest.mark.parametrize("churn", CHURN)
async def test_churn_writes_few_short_lines_that_count_those_left_out(server, churn):
    logger, data = CHURN[churn]
    start, began, sent = len(server.log()), time.monotonic(), CONNECTIONS
    turns = asyncio.Semaphore(AT_ONCE)

    async def take_turn():
        async with turns:
            await call(server.port, data)

    async with asyncio.timeout(20 * DEADLINE), asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(take_turn())
    seconds = time.monotonic() - began
    size = len(server.log().encode()) - start
    assert size < MAX_LINES_PER_SECOND * MAX_SIZE * (seconds + 2)
    assert size < CONNECTIONS * MAX_SIZE / 4

    # The next line that may be written counts those that were left out.
    def accounted_for():
        lines = lines_of(server, logger, start)
        return len(lines) + sum(line.get("left_out", 0) for line in lines)

    async with asyncio.timeout(DEADLINE):
        while accounted_for() < sent:
            await call(server.port, data)
            sent += 1
            await asyncio.sleep(0.1)  # Less often than lines are allowed; a file has no event.
    assert accounted_for() == sent
    assert len(lines_of(server, logger, start)) < MAX_LINES_PER_SECOND * (seconds + DEADLINE)


async def test_connections_that_have_authenticated_are_all_logged(server, token):
    start, connections = len(server.log()), 3 * MAX_LINES_PER_SECOND
    strangers = handshake(b"/driver/get-tracking?userId=19")
    for _ in range(connections):
        await call(server.port, strangers)
        async with Driver(server.websocket_url, DRIVER, token=token) as driver:
            await driver.send(1, 2)
    async with asyncio.timeout(DEADLINE):
        while True:  # A file has no event.
            lines = lines_of(server, "tracking.consumers.record", start)
            if len([line for line in lines if line.get("user") == DRIVER]) == connections:
                break
            await asyncio.sleep(0.01)
