"""Examples of the fleet's route in `docs/protocol.md`, checked as in `test_protocol_document`."""

import json
from itertools import chain

import pytest

from tests.documents import examples, fitting
from tests.services import create_users

from .client import Client
from .http import call
from .protocol_examples import FLEET, fix_in, kind_of, on_the_clock_of, value_of, with_token
from .stack import person

DISPATCHER = person(811, "dispatcher", is_staff=True, is_superuser=True)
EXAMPLES = {kind_of(example): example for example in examples() if example.section == FLEET}


@pytest.fixture(scope="module")
def token(stack):
    return create_users(stack.environment, [DISPATCHER])[DISPATCHER["id"]]


@pytest.fixture
async def viewer(stack):
    async with Client(f"{stack.watcher_server.websocket_url}/fleet/get-tracking") as viewer:
        yield viewer


async def named(viewer, driver_id):
    """Wait for an item with the driver's name, and return the driver's newest item."""
    await viewer.until(lambda frames: (newest_item(driver_id, frames) or {}).get("name"))
    return json.dumps(newest_item(driver_id, viewer.frames))


def newest_item(driver_id, frames):
    batches = [json.loads(frame) for frame in frames]
    items = chain.from_iterable(batch.get("snapshot", batch.get("update")) for batch in batches)
    return next((item for item in [*items][::-1] if item["userId"] == driver_id), None)


def around(item):
    latitude, longitude = float(item["location_lat"]), float(item["location_lon"])
    return [longitude - 0.01, latitude - 0.01, longitude + 0.01, latitude + 0.01]


def test_there_is_an_example_of_everything():
    assert list(EXAMPLES) == ["start", "snapshot", "update"]


async def test_start_streams_the_drivers_in_the_bbox(stack, driver_id, viewer, token):
    message = value_of(EXAMPLES["start"], driver_id)
    west, south, east, north = message["payload"]["bbox"]
    async with stack.driver(driver_id) as driver:
        await driver.send(south, east)
        await viewer.send_text(with_token(message, token))
        await named(viewer, driver_id)
    items = json.loads(viewer.frames[0])["snapshot"]
    assert driver_id in [item["userId"] for item in items]
    for item in items:
        assert south <= float(item["location_lat"]) <= north
        assert west <= float(item["location_lon"]) <= east


async def test_snapshot_has_all_drivers_in_the_bbox(stack, driver_id, viewer, token):
    frame = value_of(EXAMPLES["snapshot"], driver_id)
    (item,) = frame["snapshot"]
    async with stack.driver(driver_id) as driver:
        await driver.send(**fix_in(item))
        await viewer.send_message(token=token, command="start", bbox=around(item))
        answer = json.loads(await viewer.frame(0))
        assert list(answer) == list(frame)
        assert list(answer["counts"]) == list(frame["counts"])
        assert fitting("getFleet", "send", answer) == ["snapshot"]
        assert on_the_clock_of(item, await named(viewer, driver_id)) == json.dumps(item)


async def test_update_has_the_changed_drivers(stack, driver_id, viewer, token):
    frame = value_of(EXAMPLES["update"], driver_id)
    (item,) = frame["update"]
    leaving_id, arriving_id = stack.new_driver(), stack.new_driver()
    async with (
        stack.driver(driver_id) as driver,
        stack.driver(leaving_id) as leaving,
        stack.driver(arriving_id) as arriving,
    ):
        await leaving.send(item["location_lat"], item["location_lon"])
        await viewer.send_message(token=token, command="start", bbox=around(item))
        await named(viewer, leaving_id)
        number = len(viewer.frames)
        await driver.send(**fix_in(item))
        await leaving.send("80", "80")
        await arriving.send("80", "80")
        # Each change is in some batch, and usually all are in one; a name may follow later.
        assert on_the_clock_of(item, await named(viewer, driver_id)) == json.dumps(item)
        await viewer.until(
            lambda frames: set(frame) <= set().union(*map(json.loads, frames[number:]))
        )
        updates = [json.loads(text) for text in viewer.frames[number:]]
        assert [leaving_id] in [update.get("remove") for update in updates]
        for update in updates:
            assert list(update) == [key for key in frame if key in update]
            assert fitting("getFleet", "send", update) == ["update"]


async def test_bbox_of_a_panned_map_wraps_on_the_socket_and_over_rest(
    stack, driver_id, viewer, token
):
    bbox = [170, -80, 190, -70]
    async with stack.driver(driver_id) as driver:
        await driver.send(-75, -179)
        await viewer.send_message(token=token, command="start", bbox=bbox)
        await named(viewer, driver_id)
    path = f"/driver/locations/?bbox={','.join(map(str, bbox))}"
    answer = await call(stack.watcher_server.port, "GET", path, token)
    assert [item["userId"] for item in answer.json()["results"]] == [driver_id]
