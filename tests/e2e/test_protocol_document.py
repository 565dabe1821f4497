"""Each example of `docs/protocol.md` is sent to, or received from, a real server."""

import json
import re
import time

import pytest

from tests.documents import examples, fitting

from .client import Client
from .frames import processed
from .protocol_examples import FLEET, fix_in, kind_of, on_the_clock_of, value_of, with_token
from .stack import RIDER
from .tokens import login_token

EXAMPLES = [example for example in examples() if example.section != FLEET]
SITUATIONS = {}


def situation(kind):
    def register(check):
        SITUATIONS[kind] = check
        return check

    return register


@pytest.mark.parametrize("example", EXAMPLES, ids=kind_of)
async def test_example_is_accepted_or_sent_by_the_server(stack, driver_id, example):
    await SITUATIONS[kind_of(example)](stack, driver_id, value_of(example, driver_id))


def test_there_is_an_example_of_everything():
    assert {kind_of(example) for example in EXAMPLES} == set(SITUATIONS)


# Messages of clients


@situation("send")
@situation("send_batch")
async def is_acknowledged_and_stored(stack, driver_id, message):
    newest = message["payload"].get("fixes", [message["payload"]])[-1]
    async with stack.driver(driver_id) as driver:
        await driver.send_text(with_token(message, driver.token))
        acknowledgement = {"location_lat": newest["lat"], "location_lon": newest["lon"]}
        assert await driver.frame(0) == json.dumps(acknowledgement)
    stored = stack.stored(driver_id)
    assert (stored.latitude, stored.longitude) == (float(newest["lat"]), float(newest["lon"]))
    for name in ("heading", "speed", "accuracy"):
        assert getattr(stored, name) == newest.get(name)
    if "recorded_at" in newest:
        assert stored.recorded_at.isoformat() == newest["recorded_at"].replace("Z", "+00:00")


@situation("state")
async def begins_the_shift(stack, driver_id, message):
    async with stack.driver(driver_id) as driver:
        await driver.send_text(with_token(message, driver.token))
        assert json.loads(await driver.frame(0)) == {"state": message["payload"]["state"]}


@situation("start")
async def streams(stack, driver_id, message):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        location = await driver.send("1", "2")
        await watcher.send_text(with_token(message, watcher.token))
        if not message["payload"].get("details"):
            assert await watcher.frame(0) == location
        assert fitting("getTracking", "send", json.loads(await watcher.frame(0))) == [
            "details" if message["payload"].get("details") else "location"
        ]
        await driver.send("3", "4")
        assert json.loads(await watcher.frame(1))["location_lat"] == "3"


@situation("stop")
async def ends_the_stream_and_keeps_the_connection(stack, driver_id, message):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        first = await driver.send("1", "2")
        await watcher.start()
        await watcher.frame(0)
        await watcher.send_text(with_token(message, watcher.token))
        await processed(watcher)
        await driver.send("3", "4")
        newest = await driver.send("5", "6")
        await watcher.start()
        assert [watcher.frames[0], await watcher.frame(2)] == [first, newest]


# Frames of the server


@situation("location")
async def is_acknowledgement_snapshot_and_update(stack, driver_id, frame):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        assert await driver.send(**fix_in(frame)) == json.dumps(frame)
        await watcher.start()
        assert await watcher.frame(0) == json.dumps(frame)
        await driver.send("1", "2")
        await driver.send(**fix_in(frame))
        await watcher.until(lambda frames: len(frames) > 1 and frames[-1] == json.dumps(frame))


@situation("recorded_at")
async def is_snapshot_and_update_with_details(stack, driver_id, frame):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await driver.send(**fix_in(frame))
        await watcher.start(details=True)
        assert on_the_clock_of(frame, await watcher.frame(0)) == json.dumps(frame)
        assert fitting("getTracking", "send", json.loads(watcher.frames[0])) == ["details"]
        await driver.send(**fix_in(frame))
        assert on_the_clock_of(frame, await watcher.frame(1)) == json.dumps(frame)


@situation("status")
async def is_of_a_driver_without_a_location(stack, driver_id, frame):
    async with stack.watcher(driver_id) as watcher:
        await watcher.start(details=True)
        assert await watcher.frame(0) == json.dumps(frame)


@situation("acknowledged_state")
async def acknowledges_a_state(stack, driver_id, frame):
    async with stack.driver(driver_id) as driver:
        payload = {"token": driver.token, "command": "state", **frame}
        await driver.send_text(json.dumps({"type": "authenticate", "payload": payload}))
        assert await driver.frame(0) == json.dumps(frame)


CREATE = """
from tracking import trips
trip = trips.create(
    riders=[rider],
    reference=content["reference"],
    driver=content["driver"]["userId"],
    vehicle=content["driver"]["vehicle"],
    waypoints=content["waypoints"],
)
trip = trips.set_status(trip, content["status"])

from datetime import timedelta
from django.utils import timezone
from tracking.models import TripEta

eta, now = content["eta"], timezone.now()
# Less than a second passes until the frame is made.
arrives_at = now + timedelta(seconds=eta["seconds"] + 0.4)
TripEta.objects.create(
    trip=trip,
    driver_id=trip.driver_id,
    waypoint=0,
    arrives_at=arrives_at,
    distance=eta["distance"],
    confidence=eta["confidence"],
    computed_at=now,
    route=content["route"],
)
result = trip.pk
"""


@situation("trip")
async def is_the_first_frame_of_a_trip(stack, driver_id, frame):
    trip_id = await stack.host(CREATE, rider=RIDER, content=frame["trip"])
    frame["trip"]["id"] = trip_id
    url = f"{stack.watcher_server.websocket_url}/trip/get-tracking?tripId={trip_id}"
    async with Client(url) as follower:
        payload = {"token": stack.tokens[RIDER], "command": "start"}
        await follower.send_text(json.dumps({"type": "authenticate", "payload": payload}))
        sent = json.loads(await follower.frame(0))
    for name in ("arrives_at", "computed_at"):
        assert re.sub("[0-9]", "0", sent["trip"]["eta"][name]) == "0000-00-00T00:00:00.000Z"
        sent["trip"]["eta"][name] = frame["trip"]["eta"][name]
    # They count down from the moment when the situation was made.
    shown = frame["trip"]["eta"]["seconds"]
    assert shown - 30 <= sent["trip"]["eta"]["seconds"] <= shown
    sent["trip"]["eta"]["seconds"] = shown
    assert json.dumps(sent) == json.dumps(frame)


@situation("start_nearby")
@situation("cars")
async def streams_cars(stack, driver_id, content):
    start = {
        "token": stack.tokens[driver_id],
        "command": "start",
        "lat": "-2.3123",
        "lon": "2.4535",
    }
    if "payload" in content:
        start = {**content["payload"], "token": stack.tokens[driver_id]}
    async with Client(f"{stack.watcher_server.websocket_url}/nearby/get-tracking") as rider:
        await rider.send_text(json.dumps({"type": "authenticate", "payload": start}))
        # No car is free and far from home here.
        assert await rider.frame(0) == json.dumps({"cars": []})


@situation("error")
async def answers_what_is_wrong(stack, driver_id, frame):
    async with stack.driver(driver_id) as driver:
        assert await driver.send("90.1", "0") == json.dumps(frame)


@situation("token_expires_in")
async def warns_clients_that_requested_details(stack, driver_id, frame):
    token = login_token(RIDER, expires_at=int(time.time()) + frame["token_expires_in"] + 2)
    async with (
        stack.driver(driver_id) as driver,
        stack.watcher(driver_id, token=token) as watcher,
        stack.watcher(driver_id, token=token) as modest,
    ):
        await modest.start()
        await watcher.start(details=True)
        await watcher.frame(0)
        assert await watcher.frame(1) == json.dumps(frame)
        assert await driver.send("1", "2") == await modest.frame(0)
        assert len(modest.frames) == 1
