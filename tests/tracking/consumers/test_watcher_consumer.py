"""A watcher's connection: the snapshot, then every newer location."""

import json

import pytest

from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..fakes import DEADLINE, settle, within_deadline
from ..sockets import Server, token_for

pytestmark = pytest.mark.django_db(transaction=True)


async def deny_everybody(user, driver_id):
    return False


async def test_a_watcher_gets_the_snapshot_and_then_the_live_locations(connect, located, rider):
    watcher, socket = await connect("get", located), await connect("set", located)
    await watcher.start(token_for(rider))
    assert await watcher.frame() == '{"location_lat": "-2.3123", "location_lon": "2.4535"}'
    await socket.report(token_for(located))
    assert await watcher.frame() == await socket.frame()


async def test_a_snapshot_is_the_same_bytes_as_the_live_frame(connect, driver, rider):
    live, socket = await connect("get", driver), await connect("set", driver)
    await live.start(token_for(rider))
    await settle()
    await socket.report(token_for(driver), lat="0.30000000000000004", lon="-179.99999990")
    frame = await live.frame()
    assert frame == await socket.frame()
    get_runtime().hub._feeds.clear()  # so that the snapshot comes from the database
    later = await connect("get", driver)
    await later.start(token_for(rider))
    assert await later.frame() == frame


@pytest.mark.parametrize("nobody", [10**6, 2**63 - 1])
async def test_an_unknown_driver_gets_the_answer_of_one_who_may_not_be_watched(
    connect, driver, rider, settings, nobody
):
    socket = await connect("get", nobody)
    await socket.start(token_for(rider))
    unknown = await socket.frame(), await socket.close_code()
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": f"{__name__}.deny_everybody"}
    socket = await connect("get", driver)
    await socket.start(token_for(rider))
    assert (await socket.frame(), await socket.close_code()) == unknown
    assert json.loads(unknown[0])["error"]["code"] == "forbidden"
    assert unknown[1] == 4403


async def test_somebody_who_is_no_driver_cannot_be_watched(connect, rider):
    socket = await connect("get", rider)
    await socket.start(token_for(rider))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)


async def test_a_start_that_is_repeated_is_answered_with_the_newest(connect, located, rider):
    watcher = await connect("get", located)
    for _ in range(3):
        await watcher.start(token_for(rider))
        assert await watcher.frame() == encode_location(-2.3123, 2.4535)


async def test_a_watcher_that_disconnects_leaves_the_hub(connect, located, rider):
    watcher = await connect("get", located)
    await watcher.start(token_for(rider))
    await watcher.frame()
    await watcher.disconnect(timeout=DEADLINE)
    assert get_runtime().hub._feeds == {}


async def test_a_watcher_that_does_not_read_is_disconnected_and_leaves_the_hub(
    app_layer, located, rider, settings
):
    settings.TRACKING = settings.TRACKING | {"SEND_TIMEOUT": 0.05}
    server = Server("get", located)
    await server.client.events.reach(1)
    server.client.stop_reading()
    payload = {"token": token_for(rider), "command": "start"}
    text = json.dumps({"type": "authenticate", "payload": payload})
    server._input.put_nowait({"type": "websocket.receive", "text": text})
    await within_deadline(server.task)
    assert get_runtime().hub._feeds == {}
    await within_deadline(get_runtime().close())
