"""Riders see free cars near a place, without names and ids, every two seconds."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from tracking import states
from tracking.engine import notices
from tracking.fleet import anonymity, riders
from tracking.fleet.nearby import Search
from tracking.models import DriverState
from tracking.runtime import get_runtime

from ..fakes import DEADLINE
from ..sockets import token_for

pytestmark = pytest.mark.django_db(transaction=True)

FAR = [[10.0, 10.0]]


@pytest.fixture(autouse=True)
def _at_any_time(app_layer, monkeypatch):
    """Send notices over the layer of the connections, and hide no car after a change of ids, nor
    one that is alone.
    """
    monkeypatch.setattr(notices, "get_channel_layer", lambda: app_layer)
    monkeypatch.setattr(anonymity, "HIDDEN", (-1.0, -1.0))
    monkeypatch.setattr(anonymity, "PERIOD", 10**9)
    monkeypatch.setattr(riders, "CROWD", 1)
    monkeypatch.setattr(riders, "INTERVAL", 0.1)
    monkeypatch.setattr(riders, "LOOK_INTERVAL", 0.1)
    monkeypatch.setattr(riders, "TICK", 0.1)


@pytest.fixture
def drive(connect):
    """Return a function that makes a driver free, far from home, and drives to a latitude."""
    sockets = {}

    async def drive(driver_id, latitude):
        if driver_id not in sockets:
            sockets[driver_id] = await connect("set", driver_id)
            await sync_to_async(states.set_state)(driver_id, "available", place=(10, 10))
        await sockets[driver_id].report(token_for(driver_id), latitude, 0)
        await sockets[driver_id].frame()

    return drive


@pytest.fixture
def look(connect):
    async def look(user_id, latitude=0, longitude=0):
        socket = await connect("nearby", "")
        await socket.send(
            {"token": token_for(user_id), "command": "start", "lat": latitude, "lon": longitude}
        )
        return socket

    return look


async def cars_of(socket, count):
    """Return the cars of the first frame that has so many."""
    while True:
        cars = json.loads(await socket.frame())["cars"]
        if len(cars) == count:
            return cars


async def test_rider_sees_a_free_car_and_nothing_else_about_it(look, drive, rider, driver):
    await drive(driver, "0.0012345")
    socket = await look(rider)
    (car,) = await cars_of(socket, 1)
    assert list(car) == ["id", "location_lat", "location_lon"]
    assert len(car["id"]) == 12
    for degrees in (car["location_lat"], car["location_lon"]):
        assert len(degrees.partition(".")[2]) <= 4
    assert float(car["location_lat"]) == pytest.approx(0.0012, abs=0.0005)
    assert str(driver) not in car.values()


async def test_car_vanishes_when_it_is_reserved(look, drive, rider, driver):
    await drive(driver, "0.001")
    socket = await look(rider)
    await cars_of(socket, 1)
    await sync_to_async(states.set_state)(driver, "reserved")
    assert await cars_of(socket, 0) == []


async def test_car_without_a_crowd_is_not_seen(look, drive, rider, driver, monkeypatch):
    monkeypatch.setattr(riders, "CROWD", 2)
    await drive(driver, "0.001")
    socket = await look(rider)
    for _ in range(3):
        assert await cars_of(socket, 0) == []
    monkeypatch.setattr(riders, "CROWD", 1)
    await cars_of(socket, 1)


async def test_car_is_hidden_after_its_state_changed(look, drive, rider, driver, monkeypatch):
    monkeypatch.setattr(anonymity, "HIDDEN", (100.0, 100.0))
    await drive(driver, "0.001")
    socket = await look(rider)
    for _ in range(3):
        assert await cars_of(socket, 0) == []
    since = timezone.now() - timedelta(seconds=98)
    await DriverState.objects.filter(pk=driver).aupdate(since=since)
    await get_runtime().changes.read_states([driver])
    await cars_of(socket, 1)


async def test_two_riders_get_different_ids(look, drive, rider, driver, other_driver):
    await drive(driver, "0.001")
    (first,) = await cars_of(await look(rider), 1)
    (second,) = await cars_of(await look(other_driver), 1)
    assert first["id"] != second["id"]


async def test_car_whose_shift_began_nearby_is_hidden(look, drive, rider, driver, other_driver):
    await drive(driver, "0.001")
    await drive(other_driver, "0.001")
    await DriverState.objects.filter(pk=driver).aupdate(shift_began_at=[0.0015, 0])
    socket = await look(rider)
    await cars_of(socket, 1)
    runtime = get_runtime()
    found = runtime.nearby.nearest(Search(0, 0, 10))
    assert {each.entry.fix.driver_id for each in found} == {driver, other_driver}


async def test_frame_has_the_nearest_cars_up_to_the_limit(
    look, drive, rider, driver, other_driver, monkeypatch
):
    monkeypatch.setattr(riders, "MAX_CARS", 1)
    await drive(driver, "0.01")
    await drive(other_driver, "0.002")
    (car,) = await cars_of(await look(rider), 1)
    assert float(car["location_lat"]) == pytest.approx(0.002, abs=0.0005)


async def test_car_beyond_reach_is_not_seen(look, drive, rider, driver, other_driver):
    await drive(driver, "0.04")
    await drive(other_driver, "0.002")
    await cars_of(await look(rider), 1)


async def test_rider_cannot_search_a_town(look, rider):
    socket = await look(rider)
    await cars_of(socket, 0)
    await socket.send({"command": "start", "lat": 0.01, "lon": 0})
    await socket.send({"command": "start", "lat": 0.05, "lon": 0})
    while "error" not in (frame := json.loads(await socket.frame())):
        pass
    assert frame["error"]["code"] == "rate_limited"
    again = await look(rider, latitude=0.05)
    assert await again.error() == "rate_limited"


async def test_user_sees_one_place_at_a_time(look, rider, driver, monkeypatch):
    monkeypatch.setattr(riders, "MOVE_INTERVAL", 0.0)
    first, near, another = await look(rider), await look(rider, 0.01), await look(driver)
    for socket in (first, near, another):
        await cars_of(socket, 0)
    elsewhere = await look(rider, 0.05)
    for socket in (first, near):
        while "error" not in (frame := json.loads(await socket.frame())):
            pass
        assert frame["error"]["code"] == "rate_limited"
    assert len(get_runtime().riders) == 2
    for socket in (elsewhere, another):
        assert await cars_of(socket, 0) == []
    # The one that moves goes on.
    await elsewhere.send({"command": "start", "lat": 0.1, "lon": 0})
    for _ in range(3):
        assert await cars_of(elsewhere, 0) == []


@pytest.mark.parametrize("place", [{"lat": 91, "lon": 0}, {"lat": 1}, {"lat": "x", "lon": 0}])
async def test_invalid_place_is_refused(connect, rider, place):
    socket = await connect("nearby", "")
    await socket.send({"token": token_for(rider), "command": "start", **place})
    assert await socket.error() == "invalid_location"


async def test_stop_ends_the_stream_and_keeps_the_connection(look, rider):
    socket = await look(rider)
    await cars_of(socket, 0)
    await socket.send({"command": "stop"})
    async with asyncio.timeout(DEADLINE):
        while len(get_runtime().riders):  # noqa: ASYNC110 - nothing answers a stop
            await asyncio.sleep(0.01)
    await socket.send({"command": "start", "lat": 0, "lon": 0})
    assert await cars_of(socket, 0) == []
