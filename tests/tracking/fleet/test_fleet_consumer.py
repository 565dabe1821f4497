"""A dispatcher's connection: permission, stream, and end."""

import json
import time

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking.access import session
from tracking.engine import notices
from tracking.models import DriverLocation
from tracking.runtime import get_runtime

from ..fakes import DEADLINE, NOON, settle
from ..sockets import Socket, application, token_for

pytestmark = pytest.mark.django_db(transaction=True)

COUNTS = {"live": 0, "stale": 0, "offline": 1}


class FleetSocket(Socket):
    def __init__(self):
        WebsocketCommunicator.__init__(self, application, "/fleet/get-tracking")

    async def start(self, token=None, **rest):
        payload = {"command": "start", **rest}
        await self.send(payload if token is None else {"token": token, **payload})

    async def read(self):
        return json.loads(await self.frame())


@pytest.fixture
async def view(connect):
    """Return a function that opens a connection to the fleet's route; `connect` closes it."""
    sockets = []

    async def view():
        socket = FleetSocket()
        sockets.append(socket)
        accepted, _ = await socket.connect(timeout=DEADLINE)
        assert accepted
        return socket

    yield view
    for socket in sockets:
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait(DEADLINE)


@pytest.fixture
def dispatcher(transactional_db):
    user = get_user_model().objects.create_user(
        email="dispatcher@example.com", role="dispatcher", is_staff=True
    )
    user.user_permissions.add(Permission.objects.get(codename="view_driverlocation"))
    return user.pk


async def test_a_dispatcher_gets_everybody_and_then_what_changes(
    connect, view, located, dispatcher
):
    socket, driver = await view(), await connect("set", located)
    await socket.start(token_for(dispatcher))
    frame = await socket.read()
    assert frame == {
        "snapshot": [
            {
                "location_lat": "-2.3123",
                "location_lon": "2.4535",
                "userId": located,
                "recorded_at": "2026-01-31T12:00:00.000Z",
                "received_at": "2026-01-31T12:00:00.000Z",
                "heading": None,
                "speed": None,
                "accuracy": None,
                "heard_at": "2026-01-31T12:00:00.000Z",
                "clock_offset": None,
                "status": "offline",
                "name": "driver@example.com",
            }
        ],
        "counts": COUNTS,
    }
    await driver.report(token_for(located))
    frame = await socket.read()
    (item,) = frame["update"]
    assert (item["location_lat"], item["location_lon"]) == ("-1.4354", "0.9871")
    assert (item["status"], item["name"]) == ("live", "driver@example.com")
    assert frame["counts"] == {"live": 1, "stale": 0, "offline": 0}


async def test_the_route_needs_no_user_id(view, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher))
    assert (await socket.read())["snapshot"] == []


async def test_the_token_is_needed_once_and_a_repeated_start_is_answered(view, located, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher))
    assert len((await socket.read())["snapshot"]) == 1
    await socket.start()
    assert await socket.read() == {"update": []}


async def test_a_bbox_chooses_who_is_streamed(view, located, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher), bbox=[102, 0, 103, 1])
    assert await socket.read() == {"snapshot": [], "counts": COUNTS}
    await socket.start(bbox=[2, -3, 3, -2])
    assert [item["userId"] for item in (await socket.read())["snapshot"]] == [located]


async def test_a_wrong_bbox_is_an_error_and_the_stream_goes_on(view, located, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await socket.start(bbox=[3, -2, 2])
    error = (await socket.read())["error"]
    assert error["code"] == "invalid_message"
    assert "bbox must be [west, south, east, north]" in error["message"]
    await socket.start()
    assert await socket.read() == {"update": []}


async def test_a_stream_can_be_stopped_and_started_again(view, located, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await socket.send({"command": "stop"})
    await settle()
    assert not get_runtime().fleet._viewers
    await socket.start()
    assert "snapshot" in await socket.read()


# Permission


@pytest.mark.parametrize(
    "person",
    [
        {"role": "rider"},
        {"role": "driver"},
        {"role": "dispatcher"},
        {"role": "dispatcher", "is_staff": True},
    ],
)
async def test_nobody_but_staff_with_the_permission_may_see_the_fleet(view, person):
    user = await get_user_model().objects.acreate(email="somebody@example.com", **person)
    socket = await view()
    await socket.start(token_for(user.pk))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)


async def test_the_permission_without_staff_is_not_enough(view, dispatcher):
    await get_user_model().objects.filter(pk=dispatcher).aupdate(is_staff=False)
    socket = await view()
    await socket.start(token_for(dispatcher))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)


async def demote(dispatcher):
    await get_user_model().objects.filter(pk=dispatcher).aupdate(is_staff=False)


async def take_the_permission(dispatcher):
    user = await get_user_model().objects.aget(pk=dispatcher)
    await user.user_permissions.aclear()


@pytest.mark.parametrize("change", [demote, take_the_permission])
async def test_a_user_who_may_no_longer_see_the_fleet_is_disconnected(
    view, located, dispatcher, change, monkeypatch
):
    monkeypatch.setattr(session, "RECHECK_INTERVAL", 0.05)
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await change(dispatcher)
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)


async def test_a_user_who_loses_the_permission_is_disconnected_at_once(
    view, located, dispatcher, app_layer, monkeypatch
):
    monkeypatch.setattr(notices, "get_channel_layer", lambda: app_layer)
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    lost = time.monotonic()
    await take_the_permission(dispatcher)
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)
    assert time.monotonic() - lost < session.RECHECK_INTERVAL / 3


async def test_a_token_that_expires_ends_the_stream(view, located, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher, lifetime=2))
    await socket.read()
    assert (await socket.error(), await socket.close_code()) == ("token_expired", 4401)


async def test_silence_after_connecting_is_a_timeout(view, settings):
    settings.TRACKING = settings.TRACKING | {"AUTHENTICATION_TIMEOUT": 0.1}
    socket = await view()
    assert (await socket.error(), await socket.close_code()) == ("authentication_timeout", 4408)


# The end


async def test_a_dispatcher_who_disconnects_leaves_nothing_behind(view, located, dispatcher):
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await socket.disconnect(timeout=DEADLINE)
    fleet = get_runtime().fleet
    assert not fleet._viewers
    assert not fleet.keeper.fleet.driver_ids


async def test_a_viewer_who_reconnects_gets_no_new_burst(view, dispatcher, settings):
    limits = {"MAX_FIXES_PER_SECOND": 0.001, "MAX_FIXES_BURST": 3}
    settings.TRACKING = settings.TRACKING | limits
    refused = []
    for _ in range(5):
        socket = await view()
        for _ in range(2):
            await socket.start(token_for(dispatcher), bbox=[0, 0, 1, 1])
        frames = [await socket.frame()]
        while not await socket.receive_nothing(0.05):
            frames.append(await socket.frame())
        refused.append(any("rate_limited" in frame for frame in frames))
        await socket.disconnect(timeout=DEADLINE)
    assert refused == [False] * 3 + [True] * 2


async def test_a_deleted_driver_is_removed(view, located, dispatcher, monkeypatch):
    monkeypatch.setattr("tracking.fleet.keeper.REFRESH_INTERVAL", 0.01)
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await DriverLocation.objects.filter(driver=located, recorded_at=NOON).adelete()
    frame = await socket.read()
    assert frame == {"update": [], "remove": [located], "counts": COUNTS | {"offline": 0}}


async def test_a_driver_whose_account_is_deleted_is_removed_at_once(
    view, located, dispatcher, monkeypatch
):
    """Healing, which would find the deletion too, does not run during the test."""
    monkeypatch.setattr("tracking.fleet.keeper.HEAL_INTERVAL", 3600)
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await get_user_model().objects.filter(pk=located).adelete()
    await get_runtime().registry._recheck({"users": [located]})
    frame = await socket.read()
    assert frame == {"update": [], "remove": [located], "counts": COUNTS | {"offline": 0}}


async def test_a_driver_who_is_deactivated_is_removed_at_once_and_stays_so(
    view, located, dispatcher, monkeypatch
):
    monkeypatch.setattr("tracking.fleet.keeper.HEAL_INTERVAL", 3600)
    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    await get_user_model().objects.filter(pk=located).aupdate(is_active=False)
    await get_runtime().registry._recheck({"users": [located]})
    frame = await socket.read()
    assert frame == {"update": [], "remove": [located], "counts": COUNTS | {"offline": 0}}
    # The end of the driver's connection stores a state that is newer than the one known here.
    await DriverLocation.objects.filter(driver=located).aupdate(disconnected_at=timezone.now())
    fleet = get_runtime().fleet
    await fleet.keeper._heal(NOON)
    assert located not in fleet.keeper.fleet.driver_ids


async def test_a_stream_that_fails_is_an_error_of_this_side_in_the_log(
    view, located, dispatcher, monkeypatch, caplog
):
    def fail(*args):
        raise LookupError("a bug")

    socket = await view()
    await socket.start(token_for(dispatcher))
    await socket.read()
    monkeypatch.setattr("tracking.fleet.viewer.encode_batch", fail)
    with caplog.at_level("INFO"):
        await socket.start(token_for(dispatcher), bbox=[0, 0, 1, 1])
        assert await socket.close_code() == 1011
        await socket.send_input({"type": "websocket.disconnect", "code": 1006})
        await socket.wait(DEADLINE)
    (ended,) = [record for record in caplog.records if record.msg == "Connection ended"]
    assert (ended.reason, ended.code) == ("internal_error", 1011)
