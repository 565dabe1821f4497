"""Trips over HTTP on real servers: two callers at the same moment, and requests without a body."""

import asyncio

import pytest

from tests.services import create_users

from .http import call, exchange
from .stack import RIDER, person

DISPATCHERS = (931, 932)
ROUNDS = 5


@pytest.fixture(scope="module")
def dispatchers(stack):
    """Return the tokens of two dispatchers."""
    staff = [person(pk, "dispatcher", is_staff=True, is_superuser=True) for pk in DISPATCHERS]
    tokens = create_users(stack.environment, staff)
    return [tokens[pk] for pk in DISPATCHERS]


@pytest.fixture
def ports(stack):
    """Return the port of a server twice, or those of two workers."""
    return stack.driver_server.port, stack.watcher_server.port


async def at_once(ports, *requests):
    """Send a request to each port at the same moment; return the answers."""
    return await asyncio.gather(
        *(call(port, *request) for port, request in zip(ports, requests, strict=True))
    )


async def test_of_two_trips_created_for_one_driver_one_is_stored(
    stack, ports, dispatchers, driver_id
):
    body = {"riders": [RIDER], "driver": driver_id}
    for number in range(ROUNDS):
        requests = [
            ("POST", "/trips/", token, {**body, "reference": f"{driver_id}-{number}-{name}"})
            for name, token in zip("ab", dispatchers, strict=True)
        ]
        answers = await at_once(ports, *requests)
        assert sorted(answer.status for answer in answers) == [201, 409]
        created, refusal = sorted(answers, key=lambda answer: answer.status)
        trip = created.json()
        assert refusal.headers["content-type"] == "application/problem+json"
        problem = refusal.json()
        assert (problem["code"], problem["driver"]) == ("driver_taken", driver_id)
        assert (problem["trip"], problem["reference"]) == (trip["id"], trip["reference"])
        listed = await call(ports[1], "GET", f"/trips/?driver={driver_id}", dispatchers[0])
        assert len(listed.json()["results"]) == number + 1
        await call(ports[1], "POST", f"/trips/{trip['id']}/cancel/", dispatchers[0])


async def test_trip_completed_and_reassigned_at_once_is_one_of_both(
    stack, ports, dispatchers, driver_id
):
    other = stack.new_driver()
    for _ in range(ROUNDS):
        body = {"riders": [RIDER], "driver": driver_id}
        trip = (await call(ports[0], "POST", "/trips/", dispatchers[0], body)).json()
        path = f"/trips/{trip['id']}/"
        completed, reassigned = await at_once(
            ports,
            ("POST", f"{path}complete/", stack.tokens[driver_id]),
            ("POST", f"{path}assign/", dispatchers[0], {"driver": other}),
        )
        found = (await call(ports[0], "GET", path, dispatchers[0])).json()
        if completed.status == 200:
            assert (reassigned.status, reassigned.json()["code"]) == (409, "trip_over")
            assert (found["status"], found["driver"]["userId"]) == ("complete", driver_id)
        else:
            # Refused before or after the lock of the trip.
            assert completed.status in (404, 409)
            assert reassigned.status == 200
            assert (found["status"], found["driver"]["userId"]) == ("new", other)
        await call(ports[1], "POST", f"{path}cancel/", dispatchers[1])
        for pk in (driver_id, other):
            state = await call(ports[1], "GET", f"/driver/{pk}/state/", dispatchers[1])
            assert state.status == 404 or state.json()["state"] == "available"


@pytest.mark.parametrize(
    "headers", [[], ["Content-Length: 0"], ["Transfer-Encoding: chunked"]], ids=str
)
async def test_trip_ends_without_a_body(ports, dispatchers, headers):
    created = await call(ports[0], "POST", "/trips/", dispatchers[0], {"riders": [RIDER]})
    lines = [
        f"POST /trips/{created.json()['id']}/cancel HTTP/1.1",
        f"Host: 127.0.0.1:{ports[1]}",
        "Connection: close",
        f"Authorization: Bearer {dispatchers[1]}",
        *headers,
    ]
    end = b"0\r\n\r\n" if "Transfer-Encoding: chunked" in headers else b""
    ended = await exchange(ports[1], "\r\n".join([*lines, "", ""]).encode() + end)
    assert (ended.status, ended.json()["status"]) == (200, "canceled")
