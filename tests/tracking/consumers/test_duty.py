"""Drivers begin and end their shifts on the socket; off duty nothing of them is taken or shown."""

import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from tracking import states
from tracking.engine import notices
from tracking.models import DriverLocation, DriverState, DriverStateChange, State
from tracking.pipeline import presence
from tracking.runtime import get_runtime

from ..sockets import stored, token_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_layer(app_layer, monkeypatch):
    """Send notices over the layer of the connections."""
    monkeypatch.setattr(notices, "get_channel_layer", lambda: app_layer)


@pytest.fixture
async def socket(connect, driver):
    return await connect("set", driver)


async def set_state(socket, driver, state):
    await socket.send({"token": token_for(driver), "command": "state", "state": state})
    return json.loads(await socket.frame())


async def frame_of(socket):
    return json.loads(await socket.frame())


async def test_state_is_acknowledged_once_it_is_committed(socket, driver):
    assert await set_state(socket, driver, "available") == {"state": "available"}
    row = await DriverState.objects.aget(pk=driver)
    assert row.state == State.AVAILABLE
    (change,) = [each async for each in DriverStateChange.objects.all()]
    assert (change.previous, change.state, change.reason) == ("", "available", "service_start")
    assert change.changed_by_id == driver


async def test_location_off_duty_is_refused_and_not_stored(socket, driver):
    await socket.report(token_for(driver))
    await socket.frame()
    await set_state(socket, driver, "non_operational")
    assert await stored(driver) is None
    await socket.report(token_for(driver))
    assert await socket.error() == "off_duty"
    assert await stored(driver) is None
    assert not await DriverLocation.objects.aexists()
    await set_state(socket, driver, "available")
    await socket.report(token_for(driver), "1", "2")
    assert await frame_of(socket) == {"location_lat": "1", "location_lon": "2"}


async def test_location_sent_before_the_end_of_the_shift_is_its_place(socket, driver):
    await set_state(socket, driver, "available")
    await socket.report(token_for(driver), "1", "2")
    await socket.send({"command": "state", "state": "non_operational"})
    assert await frame_of(socket) == {"location_lat": "1", "location_lon": "2"}
    assert await frame_of(socket) == {"state": "non_operational"}
    end = await DriverStateChange.objects.aget(state="non_operational")
    assert (end.latitude, end.longitude) == (1, 2)
    row = await DriverState.objects.aget(pk=driver)
    assert row.shifts_ended_at == [[1, 2]]


async def test_first_location_of_a_shift_is_the_place_where_it_began(socket, driver):
    await set_state(socket, driver, "available")
    await socket.report(token_for(driver), "1", "2")
    await socket.frame()
    await get_runtime().drain()
    for task in set(get_runtime().duty._tasks):
        await task
    row = await DriverState.objects.aget(pk=driver)
    assert row.shift_began_at == [1, 2]
    begin = await DriverStateChange.objects.aget(state="available")
    assert (begin.latitude, begin.longitude) == (1, 2)
    await socket.report(token_for(driver), "3", "4")
    await socket.frame()
    assert not get_runtime().duty._tasks


async def test_what_was_recorded_off_duty_is_refused_later(socket, driver):
    await set_state(socket, driver, "non_operational")
    off_duty = timezone.now()
    await set_state(socket, driver, "available")
    now = timezone.now()
    fixes = [
        {"lat": 1, "lon": 1, "recorded_at": off_duty.isoformat()},
        {"lat": 2, "lon": 2, "recorded_at": now.isoformat()},
        {"lat": 3, "lon": 3, "recorded_at": (off_duty - timedelta(hours=1)).isoformat()},
    ]
    batch = {"command": "send_batch", "fixes": fixes, "details": True, "sent_at": now.isoformat()}
    await socket.send(batch)
    answer = await frame_of(socket)
    assert (answer["location_lat"], answer["location_lon"]) == ("2", "2")
    assert [(each["index"], each["code"]) for each in answer["rejected"]] == [(0, "off_duty")]
    await socket.send({**batch, "fixes": fixes[:1]})
    assert await socket.error() == "off_duty"


async def test_watcher_of_details_sees_the_driver_go_off_duty(socket, connect, driver, rider):
    await socket.report(token_for(driver))
    await socket.frame()
    watcher = await connect("get", driver)
    await watcher.send({"token": token_for(rider), "command": "start", "details": True})
    assert (await frame_of(watcher))["status"] == "live"
    await set_state(socket, driver, "non_operational")
    assert await frame_of(watcher) == {"userId": driver, "status": "unknown"}


async def test_change_made_elsewhere_is_noticed_though_notices_are_lost(
    socket, connect, driver, rider, monkeypatch
):
    monkeypatch.setattr(notices, "get_channel_layer", lambda: None)
    await socket.report(token_for(driver))
    await socket.frame()
    watcher = await connect("get", driver)
    await watcher.send({"token": token_for(rider), "command": "start", "details": True})
    await watcher.frame()
    await sync_to_async(states.set_state)(driver, "non_operational")
    assert await frame_of(watcher) == {"userId": driver, "status": "unknown"}
    await socket.report(token_for(driver))
    assert await socket.error() == "off_duty"


async def test_departure_after_the_shift_stores_nothing(socket, driver, monkeypatch):
    monkeypatch.setattr(presence, "GRACE_PERIOD", 0.01)
    await socket.report(token_for(driver))
    await socket.frame()
    await set_state(socket, driver, "non_operational")
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(5)
    await get_runtime().drain()
    assert get_runtime().presence._departures == {}
    assert not await DriverLocation.objects.aexists()


async def test_driver_may_not_reserve_itself(socket, driver):
    await socket.send({"token": token_for(driver), "command": "state", "state": "reserved"})
    assert (await frame_of(socket))["error"] == {
        "code": "invalid_message",
        "message": "state must be available or non_operational",
    }


async def test_driver_with_a_trip_cannot_end_the_shift(socket, driver, rider):
    from tracking import trips

    await sync_to_async(trips.create)(riders=[rider], driver=driver)
    assert (await set_state(socket, driver, "non_operational"))["error"]["code"] == "state_conflict"
    await socket.report(token_for(driver))
    assert "location_lat" in await frame_of(socket)
