"""The stream of a share link: what it shows, and when it ends."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking import shares, trips
from tracking.access.share_tokens import token_for
from tracking.engine import notices
from tracking.models import Event, LocationAccess, TripShare
from tracking.runtime import get_runtime

from ..fakes import DEADLINE
from ..sockets import token_for as user_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_layer(app_layer, monkeypatch):
    """Send notices over the layer of the connections."""
    monkeypatch.setattr(notices, "get_channel_layer", lambda: app_layer)


@pytest.fixture
def follow(connect, trip):
    """Return a function that opens a link's stream."""

    async def follow(share, trip_id=trip.pk):
        socket = await connect("trip", f"?tripId={trip_id}")
        await socket.start(token_for(share.pk))
        return socket

    return follow


async def frame_of(socket):
    return json.loads(await socket.frame())


async def until(socket, key):
    """Return the next frame with the key: the driver's status, and a last trip, may come before."""
    async with asyncio.timeout(DEADLINE):
        while key not in (frame := await frame_of(socket)):
            pass
    return frame[key]


async def assert_ended(socket):
    assert (await until(socket, "error"))["code"] == "trip_ended"
    assert await socket.close_code() == 4403


async def test_link_shows_the_first_name_and_no_reference(follow, trip, link, driver):
    socket = await follow(link.share)
    shown = (await frame_of(socket))["trip"]
    assert (shown["id"], shown["reference"]) == (trip.pk, "")
    assert shown["driver"] == {
        "userId": driver.pk,
        "name": "Kofi",
        "vehicle": "white Prius, GR 123",
    }
    assert [place["name"] for place in shown["waypoints"]] == ["12 Harbour Road", "Airport"]


async def test_place_that_is_passed_is_not_shown(follow, trip, link):
    await sync_to_async(trips.set_status)(trip, "enroute_to_dropoff")
    shown = (await frame_of(await follow(link.share)))["trip"]
    assert [place["name"] for place in shown["waypoints"]] == ["Airport"]


async def test_nothing_from_before_the_link_is_shown(connect, follow, trip, rider, driver):
    phone = await connect("set", driver.pk)
    await phone.report(user_token(driver.pk), "5.1", "0.1")
    await phone.frame()
    link = await sync_to_async(shares.create)(trip, by=rider.pk)
    socket = await follow(link.share)
    assert "trip" in await frame_of(socket)
    await phone.report(user_token(driver.pk), "5.2", "0.1")
    assert await until(socket, "location_lat") == "5.2"


async def test_token_is_for_its_trip_alone(follow, link, rider):
    other = await sync_to_async(trips.create)(riders=[rider.pk])
    for trip_id in (other.pk, 999_999):
        socket = await follow(link.share, trip_id)
        assert await socket.error() == "forbidden"
        assert await socket.close_code() == 4403


@pytest.mark.parametrize("route", ["get", "set", "fleet", "nearby"])
async def test_no_other_socket_takes_the_token(connect, link, route, rider, driver):
    queries = {"get": f"?userId={driver.pk}", "set": f"?userId={rider.pk}"}
    socket = await connect(route, queries.get(route, ""))
    payload = {"token": token_for(link.share.pk), "command": "start", "lat": "5", "lon": "0"}
    if route == "set":
        payload["command"] = "send"
    await socket.send(payload)
    assert await socket.error() == "token_invalid"
    assert await socket.close_code() == 4401


def revoke(link, trip, rider, staff):
    shares.revoke(link.share)


def complete(link, trip, rider, staff):
    trips.complete(trip)


def cancel(link, trip, rider, staff):
    trips.cancel(trip)


def deactivate(link, trip, rider, staff):
    user = get_user_model().objects.get(pk=rider.pk)
    user.is_active = False
    user.save()


def delete(link, trip, rider, staff):
    get_user_model().objects.get(pk=rider.pk).delete()


@pytest.mark.parametrize("end", [revoke, complete, cancel, deactivate, delete])
async def test_stream_ends_within_a_second(follow, link, trip, rider, staff, end):
    socket = await follow(link.share)
    await frame_of(socket)
    await sync_to_async(end)(link, trip, rider, staff)
    async with asyncio.timeout(1.0):
        await assert_ended(socket)


async def test_stream_ends_when_the_link_expires(follow, link):
    expires_at = timezone.now() + timedelta(seconds=1)
    await TripShare.objects.filter(pk=link.share.pk).aupdate(expires_at=expires_at)
    socket = await follow(link.share)
    await frame_of(socket)
    async with asyncio.timeout(2.0):
        await assert_ended(socket)
    assert timezone.now() - expires_at < timedelta(seconds=1)


async def test_link_of_staff_ends_with_their_permission(follow, trip, staff):
    link = await sync_to_async(shares.create)(trip, by=staff.pk)
    socket = await follow(link.share)
    await frame_of(socket)
    user = await get_user_model().objects.aget(pk=staff.pk)
    permission = await Permission.objects.aget(codename="change_trip")
    await user.user_permissions.aremove(permission)
    await assert_ended(socket)


async def test_link_that_has_ended_opens_no_stream(follow, link):
    await sync_to_async(shares.revoke)(link.share)
    await assert_ended(await follow(link.share))


async def test_change_of_the_password_leaves_the_link_open(follow, link, trip, rider):
    socket = await follow(link.share)
    await frame_of(socket)
    user = await get_user_model().objects.aget(pk=rider.pk)
    user.set_password("another password")
    await user.asave()
    await sync_to_async(trips.set_status)(trip, "enroute_to_pickup")
    assert (await until(socket, "trip"))["status"] == "enroute_to_pickup"


async def test_connection_of_a_link_takes_no_token_of_the_rider(follow, link, rider):
    socket = await follow(link.share)
    await frame_of(socket)
    await socket.start(user_token(rider.pk))
    assert (await until(socket, "error"))["code"] == "forbidden"


async def test_opened_once_however_many_open_it(follow, link, trip):
    sockets = await asyncio.gather(*(follow(link.share) for _ in range(4)))
    for socket in sockets:
        await frame_of(socket)
    event = await Event.objects.aget(type="share.opened")
    share = await TripShare.objects.aget()
    assert (event.trip_id, event.data["share"]) == (trip.pk, link.share.pk)
    assert event.occurred_at == share.opened_at
    assert event.data["sequence"] == 2


async def test_viewers_of_a_link_do_not_count_as_the_riders_connections(
    connect, follow, link, trip, rider, settings
):
    settings.TRACKING = settings.TRACKING | {"MAX_CONNECTIONS_PER_USER": 1}
    await frame_of(await follow(link.share))
    own = await connect("trip", f"?tripId={trip.pk}")
    await own.start(user_token(rider.pk))
    assert "trip" in await frame_of(own)
    second = await follow(link.share)
    assert await second.error() == "over_capacity"


async def test_look_is_recorded_as_one_by_a_link(follow, link, rider, driver):
    await frame_of(await follow(link.share))
    async with asyncio.timeout(DEADLINE):
        await get_runtime().access_log.drain()
    look = await LocationAccess.objects.aget()
    assert (look.way, look.viewer_id, look.driver_id) == ("share", rider.pk, driver.pk)
