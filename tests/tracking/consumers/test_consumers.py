"""Errors and close codes on both kinds of connection."""

import asyncio
import json

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError

from tracking import metrics
from tracking.access import session
from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..fakes import DEADLINE, within_deadline
from ..sockets import Socket, token_for

pytestmark = pytest.mark.django_db(transaction=True)


async def fail(user, driver_id):
    raise LookupError("a bug of the policy's")


# Errors in the handshake


@pytest.mark.parametrize("route", ["set", "get"])
@pytest.mark.parametrize(
    "query", ["", "?userId=", "?userId=x", "?userId=0", "?userId=1&userId=2", "?userid=19"]
)
async def test_a_bad_user_id_is_answered_after_the_accept(connect, route, query):
    socket = await connect(route, query)
    assert (await socket.error(), await socket.close_code()) == ("invalid_user_id", 4400)


async def test_a_bad_user_id_needs_no_message(connect, rider):
    socket = await connect("get", "?userId=x")
    await socket.start(token_for(rider))
    assert (await socket.error(), await socket.close_code()) == ("invalid_user_id", 4400)
    assert await socket.receive_nothing()


# Errors in a token


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "\0"])
async def test_a_bad_token_is_refused(connect, driver, token):
    socket = await connect("get", driver)
    await socket.start(token)
    assert (await socket.error(), await socket.close_code()) == ("token_invalid", 4401)


async def test_an_expired_token_is_refused(connect, driver, rider):
    socket = await connect("get", driver)
    await socket.start(token_for(rider, lifetime=-1))
    assert (await socket.error(), await socket.close_code()) == ("token_expired", 4401)


async def test_a_token_of_a_deleted_user_is_refused(connect, driver):
    socket = await connect("get", driver)
    await socket.start(token_for(10**6))
    assert (await socket.error(), await socket.close_code()) == ("token_invalid", 4401)


@pytest.fixture
def inactive(rider):
    get_user_model().objects.filter(pk=rider).update(is_active=False)
    return rider


async def test_a_token_of_an_inactive_user_is_refused(connect, driver, inactive):
    socket = await connect("get", driver)
    await socket.start(token_for(inactive))
    assert (await socket.error(), await socket.close_code()) == ("token_invalid", 4401)


async def test_a_token_that_expires_ends_the_stream(connect, located, rider):
    watcher = await connect("get", located)
    await watcher.start(token_for(rider, lifetime=2))
    await watcher.frame()
    assert (await watcher.error(), await watcher.close_code()) == ("token_expired", 4401)


async def test_a_driver_deleted_while_connected_gets_an_error(connect, driver):
    socket = await connect("set", driver)
    token = token_for(driver)
    await socket.report(token)
    await socket.frame()
    await get_user_model().objects.filter(pk=driver).adelete()
    await socket.report(token)
    assert (await socket.error(), await socket.close_code()) == ("token_invalid", 4401)


async def test_a_user_deactivated_while_connected_is_disconnected(
    connect, located, rider, monkeypatch
):
    monkeypatch.setattr(session, "RECHECK_INTERVAL", 0.05)
    watcher = await connect("get", located)
    await watcher.start(token_for(rider))
    await watcher.frame()
    await get_user_model().objects.filter(pk=rider).aupdate(is_active=False)
    assert (await watcher.error(), await watcher.close_code()) == ("token_invalid", 4401)


# Errors in a message


async def test_a_bad_message_leaves_the_connection_open(connect, driver):
    socket = await connect("set", driver)
    await socket.send_to("not JSON")
    assert await socket.error() == "invalid_message"
    await socket.report(token_for(driver), lat="91")
    assert await socket.error() == "invalid_location"
    await socket.report(token_for(driver))
    assert await socket.frame() == encode_location(-1.4354, 0.9871)


async def test_a_binary_frame_is_a_bad_message(connect, driver):
    socket = await connect("set", driver)
    await socket.send_to(bytes_data=b"{}")
    assert await socket.error() == "invalid_message"


async def test_an_empty_frame_is_a_bad_message(connect, driver):
    socket = await connect("set", driver)
    for event in ({"text": ""}, {"bytes": b""}, {"text": None, "bytes": b""}):
        await socket.send_input({"type": "websocket.receive", **event})
        assert await socket.error() == "invalid_message"


async def test_the_other_routes_command_is_a_bad_message(connect, driver):
    socket = await connect("set", driver)
    await socket.start(token_for(driver))
    assert await socket.error() == "invalid_message"
    watcher = await connect("get", driver)
    await watcher.report(token_for(driver))
    assert await watcher.error() == "invalid_message"


async def test_the_fifth_bad_message_in_a_row_closes(connect, driver):
    socket = await connect("set", driver)
    for bad in ("{}", "[]", "x"):
        await socket.send_to(bad)
        assert await socket.error() == "invalid_message"
    await socket.report(token_for(driver), lat=None)
    assert await socket.error() == "invalid_location"
    await socket.send_to(bytes_data=b"x")
    assert (await socket.error(), await socket.close_code()) == ("invalid_message", 4400)


async def test_how_many_bad_messages_in_a_row_close_is_a_setting(connect, driver, settings):
    settings.TRACKING = settings.TRACKING | {"MAX_BAD_MESSAGES": 1}
    socket = await connect("set", driver)
    await socket.send_to("x")
    assert (await socket.error(), await socket.close_code()) == ("invalid_message", 4400)


async def test_a_good_message_resets_the_count_of_bad_ones(connect, driver):
    socket = await connect("set", driver)
    for _ in range(3):
        for _ in range(4):
            await socket.send_to("x")
            assert await socket.error() == "invalid_message"
        await socket.report(token_for(driver))
        assert await socket.frame() == encode_location(-1.4354, 0.9871)


@pytest.fixture(params=[{}, {"MAX_MESSAGE_SIZE": 1000}], ids=["default", "smaller"])
def max_message_size(request, settings):
    settings.TRACKING = settings.TRACKING | request.param
    return request.param.get("MAX_MESSAGE_SIZE", 32 * 1024)


async def test_a_frame_above_the_size_limit_closes_without_an_error_frame(
    connect, driver, max_message_size
):
    socket = await connect("set", driver)
    await socket.send_to("x" * (max_message_size + 1))
    assert await socket.close_code() == 1009


async def test_the_largest_frame_is_read(connect, driver, max_message_size):
    socket = await connect("set", driver)
    text = json.dumps(
        {
            "type": "authenticate",
            "payload": {"token": token_for(driver), "command": "send", "lat": 1, "lon": 2},
        }
    )
    await socket.send_to(text + " " * (max_message_size - len(text)))
    assert await socket.frame() == encode_location(1.0, 2.0)


# Timeouts


@pytest.fixture
def short_timeout(settings):
    settings.TRACKING = settings.TRACKING | {"AUTHENTICATION_TIMEOUT": 0.1}


async def test_silence_after_connecting_is_a_timeout(connect, driver, short_timeout):
    socket = await connect("get", driver)
    assert (await socket.error(), await socket.close_code()) == ("authentication_timeout", 4408)


async def test_bad_messages_do_not_stop_the_clock(connect, driver, short_timeout):
    socket = await connect("get", driver)
    await socket.send_to("x")
    assert await socket.error() == "invalid_message"
    assert (await socket.error(), await socket.close_code()) == ("authentication_timeout", 4408)


async def test_a_good_message_stops_the_clock(connect, located, rider, short_timeout):
    watcher = await connect("get", located)
    await watcher.start(token_for(rider))
    await watcher.frame()
    assert await watcher.receive_nothing(timeout=0.2)


async def test_a_message_in_time_is_no_timeout_however_slow_the_database(
    connect, located, rider, short_timeout, monkeypatch
):
    watcher = await connect("get", located)
    users = get_runtime().users
    load, gate = users._load, asyncio.Event()

    async def slow(keys):
        await gate.wait()
        return await load(keys)

    monkeypatch.setattr(users, "_load", slow)
    await watcher.start(token_for(rider))
    assert await watcher.receive_nothing(timeout=0.2)
    gate.set()
    assert await watcher.frame() == encode_location(-2.3123, 2.4535)


# Failures of the server's parts


async def test_an_error_of_the_projects_policy_closes_and_reaches_the_server(
    app_layer, driver, rider, settings
):
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": f"{__name__}.fail"}
    socket = Socket("get", f"?userId={driver}")
    await socket.connect(timeout=DEADLINE)
    await socket.start(token_for(rider))
    assert await socket.close_code() == 1011
    with pytest.raises(LookupError):
        await socket.wait(DEADLINE)
    await within_deadline(get_runtime().close())


async def test_locations_are_stored_and_acknowledged_without_the_channel_layer(
    connect, app_layer, driver
):
    app_layer.failing.add("group_send")
    socket = await connect("set", driver)
    await socket.report(token_for(driver))
    assert await socket.frame() == encode_location(-1.4354, 0.9871)


async def test_watchers_see_locations_move_without_the_channel_layer(
    connect, app_layer, located, rider
):
    app_layer.failing.update(["group_send", "group_add", "new_channel"])
    watcher, socket = await connect("get", located), await connect("set", located)
    await watcher.start(token_for(rider))
    assert await watcher.frame() == encode_location(-2.3123, 2.4535)
    await socket.report(token_for(located))
    assert await watcher.frame() == await socket.frame()


async def test_a_user_who_cannot_be_checked_without_the_database_is_asked_to_come_back(
    connect, located, rider, monkeypatch, caplog
):
    def unavailable(user_ids):
        raise OperationalError("connection refused")

    monkeypatch.setattr("tracking.access.identities.load_users", unavailable)
    refused = ("get-tracking", "database_unavailable")
    before = metrics.refusals.values.get(refused, 0)
    socket = await connect("get", located)
    await socket.start(token_for(rider))
    assert await socket.close_code() == 1013
    assert metrics.refusals.values[refused] == before + 1
    assert "connection refused" in caplog.text
    assert not any(record.exc_info for record in caplog.records)
