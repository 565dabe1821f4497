"""Dispatch over several workers: states, searches, two dispatchers at once, off duty everywhere."""

import asyncio
import json
import time

import pytest

from tests.services import create_users

from .client import Client
from .http import call
from .stack import RIDER, person

DISPATCHERS = (921, 922)
# Seconds. A change takes effect within one, which `make faults` measures on a machine of its own;
# here another set of tests runs beside this one.
WITHIN = 4.0


@pytest.fixture(scope="module")
def dispatchers(stack):
    """Return the tokens of two dispatchers."""
    staff = [person(pk, "dispatcher", is_staff=True, is_superuser=True) for pk in DISPATCHERS]
    tokens = create_users(stack.environment, staff)
    return [tokens[pk] for pk in DISPATCHERS]


@pytest.fixture
def servers(stack):
    """Return a server twice, or two workers."""
    return stack.driver_server, stack.watcher_server


async def set_state(driver, state):
    await driver.send_message(token=driver.token, command="state", state=state)
    await driver.until(lambda frames: frames and frames[-1] == json.dumps({"state": state}))


async def nearby(server, token, lat, lon):
    response = await call(server.port, "GET", f"/driver/nearby/?lat={lat}&lon={lon}", token)
    assert response.status == 200, response.body
    return [each["userId"] for each in response.json()["results"]]


async def until(condition, seconds=WITHIN):
    """Wait until the coroutine function returns True; fail after so many seconds."""
    ends = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < ends, f"not within {seconds} s"
        await asyncio.sleep(0.02)


async def test_driver_is_found_on_every_worker_only_while_it_is_free(
    stack, servers, dispatchers, driver_id
):
    here = 60 + driver_id / 1_000, 20

    async def found(server, expected):
        near = await nearby(server, dispatchers[0], *here)
        return [pk for pk in near if pk == driver_id] == expected

    async with stack.driver(driver_id) as driver:
        await set_state(driver, "available")
        await driver.send_message(token=driver.token, command="send", lat=here[0], lon=here[1])
        await driver.frame(1)
        for server in servers:
            await until(lambda server=server: found(server, [driver_id]), 10)
        trip = await call(servers[0].port, "POST", "/trips/", dispatchers[0], {"riders": [RIDER]})
        trip_id = trip.json()["id"]
        path = f"/trips/{trip_id}/assign/"
        answer = await call(servers[0].port, "POST", path, dispatchers[0], {"driver": driver_id})
        assert answer.status == 200
        for server in servers:
            await until(lambda server=server: found(server, []))
        await call(servers[1].port, "POST", f"/trips/{trip_id}/cancel/", dispatchers[0])
        for server in servers:
            await until(lambda server=server: found(server, [driver_id]))


async def test_two_dispatchers_assign_one_driver_at_the_same_moment(
    stack, servers, dispatchers, driver_id
):
    async with stack.driver(driver_id) as driver:
        await set_state(driver, "available")
    port = servers[0].port
    for _ in range(5):
        trips = []
        for token in dispatchers:
            created = await call(port, "POST", "/trips/", token, {"riders": [RIDER]})
            trips.append(created.json()["id"])
        answers = await asyncio.gather(
            *(
                call(server.port, "POST", f"/trips/{trip}/assign/", token, {"driver": driver_id})
                for server, trip, token in zip(servers, trips, dispatchers, strict=True)
            )
        )
        assert sorted(answer.status for answer in answers) == [200, 409]
        winner = next(n for n, answer in enumerate(answers) if answer.status == 200)
        refusal = answers[1 - winner].json()
        assert refusal["code"] == "driver_taken"
        assert (refusal["driver"], refusal["trip"]) == (driver_id, trips[winner])
        for trip in trips:
            await call(port, "POST", f"/trips/{trip}/cancel/", dispatchers[0])


async def test_driver_off_duty_is_gone_from_every_map_and_search(
    stack, servers, dispatchers, driver_id
):
    here = -60 - driver_id / 1_000, 20

    async def is_nearby(expected):
        near = await nearby(servers[0], dispatchers[0], *here)
        return (driver_id in near) == expected

    fleet = Client(f"{stack.watcher_server.websocket_url}/fleet/get-tracking")
    async with (
        stack.driver(driver_id) as driver,
        stack.watcher(driver_id) as watcher,
        fleet as viewer,
    ):
        await set_state(driver, "available")
        await driver.send_message(token=driver.token, command="send", lat=here[0], lon=here[1])
        await driver.frame(1)
        await watcher.start(details=True)
        await watcher.frame(0)
        box = [19, here[0] - 0.01, 21, here[0] + 0.01]
        await viewer.send_message(token=dispatchers[0], command="start", bbox=box)
        await viewer.until(lambda frames: any(f'"userId": {driver_id}' in each for each in frames))
        frames = [json.loads(frame) for frame in viewer.frames]
        items = [item for each in frames for item in each.get("snapshot", each.get("update", ()))]
        item = next(item for item in items if item["userId"] == driver_id)
        assert item["state"] == "available"
        await until(lambda: is_nearby(True), 10)
        began = time.time()
        await set_state(driver, "non_operational")
        unknown = json.dumps({"userId": driver_id, "status": "unknown"})
        await watcher.until(lambda frames: frames[-1] == unknown)
        await viewer.until(
            lambda frames: any(driver_id in json.loads(each).get("remove", ()) for each in frames)
        )
        await until(lambda: is_nearby(False))
        # A viewer gets one frame a second.
        assert watcher.times[-1] - began < WITHIN
        assert viewer.times[-1] - began < 2 * WITHIN
        assert stack.stored(driver_id) is None
        search = await call(
            servers[0].port, "GET", f"/driver/search/?q={driver_id}", dispatchers[0]
        )
        assert [each["userId"] for each in search.json()["drivers"]] == []
        location = await call(
            servers[1].port, "GET", f"/driver/{driver_id}/location/", dispatchers[0]
        )
        assert location.status == 404
        report = {"lat": 1, "lon": 2}
        refused = await call(
            servers[1].port, "PUT", f"/driver/{driver_id}/location/", driver.token, report
        )
        assert (refused.status, refused.json()["code"]) == (409, "off_duty")
        batch = {"fixes": [report]}
        refused = await call(
            servers[1].port, "POST", f"/driver/{driver_id}/locations/", driver.token, batch
        )
        assert (refused.status, refused.json()["code"]) == (409, "off_duty")


async def test_rider_follows_a_trip_that_another_worker_changes(
    stack, servers, dispatchers, driver_id
):
    created = await call(
        servers[0].port, "POST", "/trips/", dispatchers[0], {"riders": [RIDER], "reference": "T-7"}
    )
    trip = created.json()["id"]
    url = f"{stack.watcher_server.websocket_url}/trip/get-tracking?tripId={trip}"
    async with Client(url) as rider, stack.driver(driver_id) as driver:
        await rider.send_message(token=stack.tokens[RIDER], command="start")
        assert json.loads(await rider.frame(0))["trip"]["driver"] is None
        await driver.send("1", "2")
        path = f"/trips/{trip}"
        await call(
            servers[0].port, "POST", f"{path}/assign/", dispatchers[0], {"driver": driver_id}
        )
        assert json.loads(await rider.frame(1, WITHIN))["trip"]["driver"]["userId"] == driver_id
        assert json.loads(await rider.frame(2, WITHIN))["location_lat"] == "1"
        status = {"status": "complete"}
        answer = await call(
            servers[0].port, "POST", f"{path}/status/", stack.tokens[driver_id], status
        )
        assert answer.status == 200
        assert json.loads(await rider.frame(3, WITHIN))["trip"]["status"] == "complete"
        assert json.loads(await rider.frame(4, WITHIN))["error"]["code"] == "trip_ended"
        assert await rider.close_code() == 4403
