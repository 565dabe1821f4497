"""Streams over HTTP, as `text/event-stream` and by polling, on real servers."""

import asyncio
import time
from itertools import count, islice

import pytest

from tests import services
from tests.services import create_users

from .event_stream import stream
from .http import call
from .stack import RIDER, Stack, person
from .tokens import login_token

DEADLINE = 10.0


def path_of(driver_id):
    return f"/driver/{driver_id}/location/stream/"


def reader(stack):
    """Return the token of a user of the test's own, because a user may read ten times a second."""
    return stack.tokens[stack.new_driver()]


async def test_a_stream_begins_with_the_last_location_and_goes_on(stack, driver_id):
    port, token = stack.watcher_server.port, reader(stack)
    async with stack.driver(driver_id) as driver:
        await driver.send(0.5, 102.4)
        async with stream(port, path_of(driver_id), token, Accept_Encoding="gzip") as events:
            await events.begin()
            assert events.status == 200
            assert events.headers["content-type"] == "text/event-stream"
            assert events.headers["cache-control"] == "no-store"
            assert events.headers["x-accel-buffering"] == "no"
            assert events.headers["x-connection-id"]
            first = await events.frame()
            assert (first["location_lat"], first["status"]) == ("0.5", "live")
            await driver.send(0.6, 102.4)
            assert (await events.frame())["location_lat"] == "0.6"


async def test_polling_gets_the_same_frames_and_304_if_nothing_has_changed(stack, driver_id):
    port, token = stack.watcher_server.port, reader(stack)
    json_only = {"Accept": "application/json"}
    answer = await call(port, "GET", path_of(driver_id), token, **json_only)
    assert answer.json() == [{"userId": driver_id, "status": "unknown"}]
    async with stack.driver(driver_id) as driver:
        await driver.send(0.5, 102.4)
    async with asyncio.timeout(DEADLINE):
        while True:
            answer = await call(port, "GET", path_of(driver_id), token, **json_only)
            if answer.json()[0]["status"] != "unknown":
                break
            await asyncio.sleep(0.2)
    assert answer.json()[0]["location_lat"] == "0.5"
    etag = answer.headers["etag"]
    again = await call(port, "GET", path_of(driver_id), token, **json_only, If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")


async def test_a_refusal_is_a_problem_before_the_stream(stack, driver_id):
    port = stack.watcher_server.port
    expired = login_token(RIDER, expires_at=int(time.time()) - 5)
    other = reader(stack)
    own_query = f"{path_of(driver_id)}?token={other}"
    for path, token, status, code in (
        (path_of(driver_id), None, 401, "not_authenticated"),
        (own_query, None, 401, "not_authenticated"),
        (path_of(driver_id), "nonsense", 401, "token_invalid"),
        (path_of(driver_id), expired, 401, "token_expired"),
        (path_of(999_999), other, 403, "forbidden"),
        ("/trips/999999/stream/", other, 403, "forbidden"),
        ("/fleet/stream/", other, 403, "forbidden"),
        ("/driver/nearby/stream/?lat=91&lon=0", other, 400, "invalid_location"),
        ("/driver/nearby/stream/", other, 400, "invalid"),
    ):
        answer = await call(port, "GET", path, token)
        assert answer.status == status, (path, answer.body)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code


@pytest.mark.alone
async def test_a_stream_ends_within_a_second_of_the_revocation(cluster_stack):
    driver_id = cluster_stack.new_driver()
    user_id = 7001 + driver_id
    tokens = await asyncio.to_thread(
        create_users, cluster_stack.environment, [person(user_id, "rider")]
    )
    async with stream(
        cluster_stack.watcher_server.port, path_of(driver_id), tokens[user_id]
    ) as events:
        await events.begin()
        await events.frame()
        changed = """
import time
from django.contrib.auth import get_user_model
user = get_user_model().objects.get(pk=user_id)
user.is_active = False
user.save()
result = time.time()
"""
        at = await cluster_stack.host(changed, user_id=user_id)
        assert "error" in await events.frame()
        name, data = await events.event()
        assert (name, data) == ("close", {"code": 4401, "reason": "token_invalid"})
        assert time.time() - at < 1.5  # the program takes a while to end


async def test_a_reader_that_leaves_is_freed(cluster_stack):
    driver_id = cluster_stack.new_driver()
    server, token = cluster_stack.watcher_server, reader(cluster_stack)
    async with stream(server.port, path_of(driver_id), token) as events:
        await events.begin()
        await events.frame()
        connection = events.headers["x-connection-id"]
    async with asyncio.timeout(DEADLINE):
        while connection not in server.log():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)
    line = next(line for line in server.log().splitlines() if connection in line)
    assert "client_left" in line


@pytest.mark.long
async def test_a_reader_that_stops_reading_costs_one_buffer_and_is_cut_off(cluster_stack):
    driver_id = cluster_stack.new_driver()
    environment = {**cluster_stack.environment, "TRACKING_SEND_TIMEOUT": "1"}
    with services.Uvicorn(environment, "impatient") as server:
        one = Stack([server], cluster_stack.tokens)
        async with one.driver(driver_id) as driver:
            await driver.send(0.5, 102.4)
            token = reader(cluster_stack)
            async with stream(server.port, path_of(driver_id), token, narrow=True) as events:
                await events.begin()
                before = server.resident()
                numbers = count()
                async with asyncio.timeout(60):
                    while events.headers["x-connection-id"] not in server.log():
                        await driver.send_together(
                            (number / 1e5, 1) for number in islice(numbers, 100)
                        )
                assert server.resident() - before < 2**23
        connection = events.headers["x-connection-id"]
        # By SEND_TIMEOUT or, if the buffers of the kernel are not full before, by its own timeout.
        line = next(line for line in server.log().splitlines() if connection in line)
        assert "not_reading" in line or "client_left" in line


async def test_polls_are_not_logged_one_by_one(cluster_stack):
    driver_id = cluster_stack.new_driver()
    server, token = cluster_stack.watcher_server, reader(cluster_stack)
    for _ in range(3):
        answer = await call(
            server.port, "GET", path_of(driver_id), token, Accept="application/json"
        )
        assert answer.status == 200
    async with stream(server.port, path_of(driver_id), token) as events:
        await events.begin()
        # The connection of a client that leaves before this ends up to 20 s later.
        await events.frame()
    async with asyncio.timeout(DEADLINE):
        while not (  # noqa: ASYNC110 - a file has no event
            lines := [x for x in server.log().splitlines() if f'"driver": {driver_id}' in x]
        ):
            await asyncio.sleep(0.05)
    assert len(lines) == 1
