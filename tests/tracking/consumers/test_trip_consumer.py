"""The stream of a trip follows it from driver to driver, and ends with it."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission

from tracking import states, trips
from tracking.engine import notices
from tracking.runtime import get_runtime

from ..fakes import DEADLINE
from ..sockets import token_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_layer(app_layer, monkeypatch):
    """Send notices over the layer of the connections."""
    monkeypatch.setattr(notices, "get_channel_layer", lambda: app_layer)


@pytest.fixture
def trip(rider):
    return trips.create(riders=[rider], reference="T-7")


@pytest.fixture
def follow(connect):
    """Return a function that opens a socket of a user who follows a trip."""

    async def follow(trip, user_id):
        socket = await connect("trip", f"?tripId={trip.pk}")
        await socket.start(token_for(user_id))
        return socket

    return follow


@pytest.fixture
def drive(connect):
    """Return a function that reports a driver's location, and returns once it is committed."""
    sockets = {}

    async def drive(driver_id, latitude):
        if driver_id not in sockets:
            sockets[driver_id] = await connect("set", driver_id)
        await sockets[driver_id].report(token_for(driver_id), latitude, 0)
        await sockets[driver_id].frame()

    return drive


async def frame_of(socket):
    return json.loads(await socket.frame())


async def trip_frame(socket):
    """Return the next frame of the trip, and fail if another one comes first."""
    return (await frame_of(socket))["trip"]


async def until(condition):
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


def change(function, *args, **kwargs):
    return sync_to_async(function)(*args, **kwargs)


async def test_trip_without_a_driver_says_so(follow, trip, rider):
    socket = await follow(trip, rider)
    assert await trip_frame(socket) == {
        "id": trip.pk,
        "reference": "T-7",
        "status": "new",
        "driver": None,
        "waypoints": [],
        "eta": None,
        "route": None,
    }
    assert await socket.receive_nothing()


async def test_follower_sees_the_driver_once_one_is_assigned(follow, drive, trip, rider, driver):
    socket = await follow(trip, rider)
    await trip_frame(socket)
    await drive(driver, 1)
    await change(trips.assign, trip, driver, vehicle="white Prius")
    assert (await trip_frame(socket))["driver"] == {
        "userId": driver,
        "name": None,
        "vehicle": "white Prius",
    }
    location = await frame_of(socket)
    assert (location["userId"], location["location_lat"]) == (driver, "1")
    await drive(driver, 2)
    assert (await frame_of(socket))["location_lat"] == "2"


async def test_reassigned_trip_shows_the_new_driver_alone(
    follow, drive, trip, rider, driver, other_driver
):
    await change(trips.assign, trip, driver)
    await drive(driver, 1)
    await drive(other_driver, 5)
    socket = await follow(trip, rider)
    await trip_frame(socket)
    assert (await frame_of(socket))["userId"] == driver
    await change(trips.assign, trip, other_driver)
    assert (await trip_frame(socket))["driver"]["userId"] == other_driver
    assert (await frame_of(socket))["userId"] == other_driver
    await drive(driver, 2)
    await drive(other_driver, 6)
    location = await frame_of(socket)
    assert (location["userId"], location["location_lat"]) == (other_driver, "6")


async def test_change_of_the_status_is_sent_without_the_location(
    follow, drive, trip, rider, driver
):
    await change(trips.assign, trip, driver)
    await drive(driver, 1)
    socket = await follow(trip, rider)
    await trip_frame(socket)
    await frame_of(socket)
    await change(trips.set_status, trip, "enroute_to_pickup")
    assert (await trip_frame(socket))["status"] == "enroute_to_pickup"
    await change(trips.set_status, trip, "arrived_at_pickup")
    assert (await trip_frame(socket))["status"] == "arrived_at_pickup"


@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        (trips.complete, "complete", "the trip is complete"),
        (trips.cancel, "canceled", "the trip was canceled"),
    ],
)
async def test_stream_ends_with_the_trip_and_says_why(
    follow, trip, rider, driver, end, status, message
):
    await change(trips.assign, trip, driver)
    socket = await follow(trip, rider)
    await trip_frame(socket)
    assert await frame_of(socket) == {"userId": driver, "status": "unknown"}
    await change(end, trip)
    assert (await trip_frame(socket))["status"] == status
    assert (await frame_of(socket))["error"] == {"code": "trip_ended", "message": message}
    assert await socket.close_code() == 4403


async def test_ended_trip_is_refused(follow, trip, rider):
    await change(trips.cancel, trip)
    socket = await follow(trip, rider)
    assert await socket.error() == "trip_ended"
    assert await socket.close_code() == 4403


async def test_trip_of_others_is_refused_like_one_that_does_not_exist(
    follow, trip, driver, other_driver
):
    trip_of_others = await follow(trip, other_driver)
    refusal = await trip_of_others.frame()
    assert json.loads(refusal)["error"]["code"] == "forbidden"
    assert await trip_of_others.close_code() == 4403
    trip.pk += 1_000
    missing = await follow(trip, other_driver)
    assert await missing.frame() == refusal
    assert await missing.close_code() == 4403


async def test_former_driver_is_excluded(follow, trip, driver, other_driver):
    await change(trips.assign, trip, driver)
    socket = await follow(trip, driver)
    await trip_frame(socket)
    await frame_of(socket)
    await change(trips.assign, trip, other_driver)
    assert await socket.error() == "forbidden"
    assert await socket.close_code() == 4403


async def test_staff_with_both_permissions_follow_every_trip(
    follow, trip, rider, django_user_model
):
    dispatcher = await django_user_model.objects.acreate(email="d@example.com", is_staff=True)
    for codename in ("view_trip", "view_driverlocation"):
        permission = await Permission.objects.aget(codename=codename)
        await dispatcher.user_permissions.aadd(permission)
    socket = await follow(trip, dispatcher.pk)
    assert (await trip_frame(socket))["id"] == trip.pk


async def test_stop_ends_the_stream_and_start_begins_it_again(follow, drive, trip, rider, driver):
    await change(trips.assign, trip, driver)
    socket = await follow(trip, rider)
    await trip_frame(socket)
    await frame_of(socket)
    await socket.send({"command": "stop"})
    await drive(driver, 1)
    await change(trips.set_status, trip, "enroute_to_pickup")
    await socket.send({"command": "start"})
    assert (await trip_frame(socket))["status"] == "enroute_to_pickup"
    assert (await frame_of(socket))["location_lat"] == "1"


@pytest.mark.parametrize("query", ["", "?tripId=x", "?tripId=0", "?tripId=1&tripId=2"])
async def test_invalid_trip_id_is_refused(connect, query):
    socket = await connect("trip", query)
    assert await socket.error() == "invalid_trip_id"
    assert await socket.close_code() == 4400


async def test_lost_notices_delay_changes_only(follow, drive, trip, rider, driver, monkeypatch):
    monkeypatch.setattr(notices, "get_channel_layer", lambda: None)
    socket = await follow(trip, rider)
    await trip_frame(socket)
    await change(trips.assign, trip, driver)
    assert (await trip_frame(socket))["driver"]["userId"] == driver
    await frame_of(socket)
    await change(trips.complete, trip)
    assert (await trip_frame(socket))["status"] == "complete"
    assert await socket.error() == "trip_ended"


async def test_nothing_of_the_former_driver_waits_for_a_slow_reader(
    follow, trip, rider, driver, other_driver, drive
):
    await change(trips.assign, trip, driver)
    socket = await follow(trip, rider)
    await trip_frame(socket)
    await frame_of(socket)
    (consumer,) = (each for each in get_runtime().connections if each.route == "trip")
    consumer.outbox._task = blocked = asyncio.ensure_future(asyncio.Event().wait())
    await drive(driver, 1)
    assert consumer.outbox._latest is not None
    await change(states.set_state, other_driver, "available")
    await change(trips.assign, trip, other_driver)
    await until(lambda: len(consumer.outbox))
    waiting = consumer.outbox._latest
    assert waiting is None or f'"userId": {driver},' not in waiting["text"]
    blocked.cancel()
