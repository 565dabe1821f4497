"""Every entrance keeps each fix in the history, with all that the phone said, before it answers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.services import KeptFix, history

from .http import call, exchange
from .phone_queues import post
from .test_phone_apps import form, osmand, owntracks_android, traccar_android_8

DETAILS = {
    "accuracy": 12,
    "heading": 271,
    "speed": 10,
    "battery": 77,
    "charging": True,
    "mock": True,
}
# As OsmAnd's protocol writes them.
FLAGS = {"charge": "true", "mock": "true"}


def measured(at, lat=-1.4354):
    """Return a fix with all details, as the protocol writes it."""
    return {"lat": lat, "lon": 0.9871, "recorded_at": at.isoformat(), **DETAILS}


def kept(at, lat=-1.4354, *, mock=True):
    """Return the row of a fix with all details."""
    return KeptFix(at, lat, 0.9871, 12, 271, 10, 77, True, mock)


def batch(at):
    """Return three good fixes and a bad one, not in the order of their times."""
    second = timedelta(seconds=1)
    return [measured(at - second, 2), measured(at, 1), {"lat": 91}, measured(at - 2 * second, 3)]


def kept_of_batch(at):
    second = timedelta(seconds=1)
    return [kept(at - 2 * second, 3), kept(at - second, 2), kept(at, 1)]


async def send(stack, driver_id, token, at):
    async with stack.driver(driver_id) as driver:
        assert '"error"' not in await driver.send(**measured(at))
    return [kept(at)]


async def send_batch(stack, driver_id, token, at):
    async with stack.driver(driver_id) as driver:
        await driver.send_message(token=driver.token, command="send_batch", fixes=batch(at))
        assert '"error"' not in await driver.frame(0)
    return kept_of_batch(at)


async def put(stack, driver_id, token, at):
    path = f"/driver/{driver_id}/location/"
    port = stack.driver_server.port
    answer = await call(port, "PUT", path, stack.tokens[driver_id], measured(at))
    assert answer.status == 201
    return [kept(at)]


async def post_batch(stack, driver_id, token, at):
    path = f"/driver/{driver_id}/locations/"
    port = stack.driver_server.port
    answer = await call(port, "POST", path, stack.tokens[driver_id], {"fixes": batch(at)})
    assert answer.status == 201
    assert [rejected["index"] for rejected in answer.json()["rejected"]] == [2]
    return kept_of_batch(at)


async def report(stack, request):
    assert (await exchange(stack.driver_server.port, request)).status == 200


async def owntracks(stack, driver_id, token, at):
    # 2: the battery is charging. The app does not say if a location is simulated.
    await report(stack, owntracks_android(token, at, bs=2))
    return [kept(at, mock=False)]


async def traccar_in_the_url(stack, driver_id, token, at):
    await report(stack, traccar_android_8(token, at, **FLAGS))
    return [kept(at)]


async def traccar_by_get(stack, driver_id, token, at):
    await report(stack, osmand(token, at, **FLAGS))
    return [kept(at)]


async def traccar_form(stack, driver_id, token, at):
    await report(stack, form(token, at, **FLAGS))
    return [kept(at)]


async def traccar_list(stack, driver_id, token, at):
    items = [
        {
            "id": token,
            "timestamp": int(at.timestamp()) - age,
            "lat": lat,
            "lon": 0.9871,
            "accuracy": 12,
            "bearing": 271,
            "speed": 19.438444924406046,
            "batt": 77,
            "charge": True,
            "mock": True,
        }
        for lat, age in ((3, 2), (2, 1), (1, 0))
    ]
    await report(stack, json_report(items))
    return kept_of_batch(at)


async def traccar_object(stack, driver_id, token, at):
    coords = {
        "latitude": -1.4354,
        "longitude": 0.9871,
        "accuracy": 12,
        "heading": 271,
        "speed": 10,
    }
    location = {
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "coords": coords,
        "battery": {"level": 0.77, "is_charging": True},
        "mock": True,
    }
    await report(stack, json_report({"location": location, "device_id": token}))
    return [kept(at)]


def json_report(content):
    body = json.dumps(content).encode()
    return post("/driver/report/osmand/", body, "Content-Type: application/json")


ENTRANCES = [
    send,
    send_batch,
    put,
    post_batch,
    owntracks,
    traccar_in_the_url,
    traccar_by_get,
    traccar_form,
    traccar_list,
    traccar_object,
]


@pytest.fixture
def at():
    """Return the time of a fix: whole seconds, as some of the apps send."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)


@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_acknowledged_fixes_are_in_the_history_as_the_phone_measured_them(
    stack, phone, at, entrance
):
    driver_id, token = phone
    expected = await entrance(stack, driver_id, token, at)
    assert history(stack.environment)[driver_id] == expected


async def test_fix_without_details_is_kept_without_them_at_the_time_of_its_arrival(
    stack, driver_id
):
    async with stack.driver(driver_id) as driver:
        await driver.send("-1.4354", "0.9871")
    arrived = stack.stored(driver_id).received_at
    assert history(stack.environment)[driver_id] == [KeptFix(arrived, -1.4354, 0.9871)]


async def test_a_full_batch_is_kept_whole(stack, driver_id, at):
    fixes = [measured(at - timedelta(seconds=5 * age), age / 10) for age in range(100)]
    async with stack.driver(driver_id) as driver:
        await driver.send_message(token=driver.token, command="send_batch", fixes=fixes)
        await driver.frame(0)
    found = history(stack.environment)[driver_id]
    assert [fix.latitude for fix in found] == [age / 10 for age in reversed(range(100))]


async def test_batch_sent_again_with_another_delay_is_kept_once(stack, driver_id, at):
    """Check that the delay of a message that says when it was sent moves none of its fixes."""
    for delay in (0.35, 1.2):
        message = {"fixes": batch(at)}
        for send_with_time in (_send_batch_again, _post_batch_again):
            sent_at = datetime.now(UTC) - timedelta(seconds=delay)
            await send_with_time(stack, driver_id, message | {"sent_at": sent_at.isoformat()})
    assert history(stack.environment)[driver_id] == kept_of_batch(at)


async def _send_batch_again(stack, driver_id, message):
    async with stack.driver(driver_id) as driver:
        await driver.send_message(token=driver.token, command="send_batch", **message)
        assert '"error"' not in await driver.frame(0)


async def _post_batch_again(stack, driver_id, message):
    path = f"/driver/{driver_id}/locations/"
    token = stack.tokens[driver_id]
    answer = await call(stack.driver_server.port, "POST", path, token, message)
    assert answer.status in (200, 201, 204), answer.body


async def test_fix_sent_again_over_another_entrance_is_kept_once(stack, phone, at):
    driver_id, token = phone
    for entrance in (send, put_again, traccar_form):
        await entrance(stack, driver_id, token, at)
    assert history(stack.environment)[driver_id] == [kept(at)]


async def put_again(stack, driver_id, token, at):
    path = f"/driver/{driver_id}/location/"
    answer = await call(
        stack.driver_server.port, "PUT", path, stack.tokens[driver_id], measured(at)
    )
    assert answer.status == 204
