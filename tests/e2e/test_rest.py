"""The REST API on either stack: one pipeline with the sockets, on every worker."""

import asyncio
import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from tests import services

from .client import DEADLINE
from .conftest import DEVELOPMENT_IS_LONG
from .http import call, exchange
from .stack import DRIVERS, MISSING, OTHER_DRIVER, RIDER

HERE = {"lat": "-1.4354", "lon": 0.9871}
FRAME = '{"location_lat": "-1.4354", "location_lon": "0.9871"}'


def location(driver_id):
    return f"/driver/{driver_id}/location/"


@pytest.fixture
def rest(stack):
    """Return a function for calls as a user: drivers on one worker, all others on another."""

    async def rest(method, path, user_id, body=None, **headers):
        server = stack.driver_server if method != "GET" else stack.watcher_server
        return await call(server.port, method, path, stack.tokens[user_id], body, **headers)

    return rest


def problem(response):
    assert response.headers["content-type"] == "application/problem+json"
    return response.status, response.json()["code"]


async def test_report_reaches_watchers_at_once_and_is_stored_when_answered(stack, driver_id, rest):
    async with stack.watcher(driver_id) as watcher:
        await watcher.start()
        response = await rest("PUT", location(driver_id), driver_id, HERE)
        assert (response.status, response.body) == (201, b"")
        assert stack.stored(driver_id).latitude == -1.4354
        await watcher.frame(0, seconds=DEADLINE)
        response = await rest("PUT", location(driver_id), driver_id, {"lat": 1, "lon": 2})
        assert response.status == 204
        await watcher.frame(1)
        assert watcher.frames == [FRAME, '{"location_lat": "1", "location_lon": "2"}']


async def test_reports_and_sends_are_one_stream_that_never_goes_back(stack, driver_id, rest):
    late = {"lat": 5, "lon": 6, "recorded_at": "2026-01-31T12:00:00Z"}
    async with stack.watcher(driver_id) as watcher, stack.driver(driver_id) as driver:
        await watcher.start()
        await driver.send("-1.4354", "0.9871")
        await watcher.frame(0)
        assert (await rest("PUT", location(driver_id), driver_id, late)).status == 204
        fixes = {"fixes": [late, late | {"lat": 7}]}
        path = f"/driver/{driver_id}/locations/"
        assert (await rest("POST", path, driver_id, fixes)).status == 204
        fixes["fixes"].append({"lat": 8, "lon": 9, "recorded_at": datetime.now(UTC).isoformat()})
        assert (await rest("POST", path, driver_id, fixes)).status == 204
        await watcher.frame(1)
        assert watcher.frames == [FRAME, '{"location_lat": "8", "location_lon": "9"}']
    assert stack.stored(driver_id).latitude == 8


async def test_get_on_another_worker_shows_the_report_and_then_304(stack, driver_id, rest):
    before = datetime.now(UTC)
    assert problem(await rest("GET", location(driver_id), RIDER)) == (404, "no_location")
    fix = HERE | {"heading": 90, "speed": 10.5, "accuracy": 4}
    await rest("PUT", location(driver_id), driver_id, fix)
    response = await rest("GET", location(driver_id), RIDER)
    assert response.status == 200
    assert response.headers["cache-control"] == "private, no-cache"
    found = response.json()
    received_at = datetime.fromisoformat(found["received_at"])
    assert before - timedelta(milliseconds=1) <= received_at <= datetime.now(UTC)
    assert found == {
        "location_lat": "-1.4354",
        "location_lon": "0.9871",
        "userId": driver_id,
        "recorded_at": found["received_at"],
        "received_at": found["received_at"],
        "heading": 90.0,
        "speed": 10.5,
        "accuracy": 4.0,
        "heard_at": found["received_at"],
        "clock_offset": None,
        "status": "live",
    }
    etag = response.headers["etag"]
    again = await rest("GET", location(driver_id), RIDER, If_None_Match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)


async def test_reports_of_many_at_once_are_all_stored(stack, rest):
    drivers = [stack.new_driver() for _ in range(40)]
    answers = await asyncio.gather(
        *(
            rest("PUT", location(driver), driver, {"lat": 1, "lon": driver / 1e3})
            for driver in drivers
        )
    )
    assert [answer.status for answer in answers] == [201] * len(drivers)
    for driver in drivers:
        assert stack.stored(driver).longitude == driver / 1e3


async def test_call_without_the_permission_is_refused(stack, driver_id, rest, strict):
    path = location(driver_id)
    assert problem(await rest("PUT", path, OTHER_DRIVER, HERE)) == (403, "forbidden")
    assert problem(await rest("GET", "/driver/locations/", RIDER)) == (403, "forbidden")
    answers = [
        await call(strict.driver_server.port, "GET", location(watched), stack.tokens[RIDER])
        for watched in (driver_id, MISSING)
    ]
    assert [problem(answer) for answer in answers] == [(403, "forbidden")] * 2
    assert answers[0].body == answers[1].body
    for token in (None, "x.y.z"):
        answer = await call(stack.driver_server.port, "PUT", path, token, HERE)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert stack.stored(driver_id) is None


async def test_body_without_a_declared_length_ends_in_413(stack, driver_id):
    port = stack.driver_server.port
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    request = (
        f"PUT {location(driver_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {stack.tokens[driver_id]}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = json.dumps(HERE).encode()
    last = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    answer = await exchange(port, request.encode() + chunk * 2 + last)
    assert problem(answer) == (413, "too_large")
    assert (await exchange(port, request.encode() + last)).status == 201


@contextmanager
def database_that_writes_nothing(environment):
    """Hold a lock that every write of a location waits for. Reads are not affected."""
    url = environment["DATABASE_URL"]
    if url.startswith("sqlite:"):
        path = unquote(urlsplit(url).path)[1:]
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE tracking_driverlocation IN EXCLUSIVE MODE")
            yield


@pytest.mark.parametrize("stack", DEVELOPMENT_IS_LONG, indirect=True)
async def test_report_that_cannot_be_stored_in_time_is_answered_503_and_may_be_sent_again(
    stack, driver_id, rest
):
    with database_that_writes_nothing(stack.environment):
        answer = await rest("PUT", location(driver_id), driver_id, HERE)
        assert problem(answer) == (503, "not_stored")
        assert answer.headers["retry-after"] == "5"
        assert stack.stored(driver_id) is None
    again = await rest("PUT", location(driver_id), driver_id, HERE)
    assert again.status in (201, 204)  # the first may be stored by now
    assert stack.stored(driver_id).latitude == -1.4354


async def test_gets_do_not_wait_for_the_connections_that_the_policy_needs(cluster_stack):
    """Send more requests at once than the pool has connections; each policy makes a query."""
    watched = cluster_stack.new_driver()
    policy = {"TRACKING_WATCH_POLICY": "tracking.permissions.granted"}
    with services.Uvicorn(cluster_stack.environment | policy, "granted") as server:
        answers = await asyncio.gather(
            *(
                call(server.port, "GET", location(watched), cluster_stack.tokens[driver])
                for driver in DRIVERS[-30:]
            )
        )
    assert [problem(answer) for answer in answers] == [(403, "forbidden")] * 30


async def test_first_reports_of_a_worker_do_not_wait_for_each_others_connections(cluster_stack):
    """Send more reports at once than the pool has connections, before the writer has one."""
    drivers = [cluster_stack.new_driver() for _ in range(30)]
    with services.Uvicorn(cluster_stack.environment, "fresh") as server:
        answers = await asyncio.gather(
            *(
                call(server.port, "PUT", location(driver), cluster_stack.tokens[driver], HERE)
                for driver in drivers
            )
        )
    assert [answer.status for answer in answers] == [201] * len(drivers)
