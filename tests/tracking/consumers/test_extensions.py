"""Extensions that a client asks for: details, batches, stop, and a token given only once."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tracking.access import session as session_module
from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..fakes import Sender
from ..messages import DETAILS
from ..sockets import stored, token_for

pytestmark = pytest.mark.django_db(transaction=True)


async def start(socket, token, **options):
    await socket.send({"token": token, "command": "start", **options})


async def report(socket, token, **fix):
    await socket.send({"token": token, "command": "send", "lat": "1", "lon": "2", **fix})
    return await socket.frame()


async def details(socket):
    return json.loads(await socket.frame())


def ago(seconds):
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


# Details


async def test_details_hold_driver_times_measurements_and_status(connect, located, rider):
    watcher = await connect("get", located)
    await start(watcher, token_for(rider), details=True)
    frame = await details(watcher)
    assert list(frame) == DETAILS
    assert frame["userId"] == located
    assert frame["recorded_at"] == frame["received_at"] == "2026-01-31T12:00:00.000Z"
    assert (frame["heading"], frame["status"]) == (None, "offline")
    socket = await connect("set", located)
    recorded_at = ago(3)
    await report(socket, token_for(located), recorded_at=recorded_at, heading=90, speed=13.5)
    frame = await details(watcher)
    assert list(frame) == DETAILS
    assert frame["recorded_at"] == recorded_at[:23] + "Z"
    assert frame["received_at"] > frame["recorded_at"]
    assert (frame["heading"], frame["speed"], frame["accuracy"]) == (90, 13.5, None)
    assert frame["status"] == "live"


async def test_a_driver_without_a_location_is_unknown_until_it_has_one(connect, driver, rider):
    watcher, socket = await connect("get", driver), await connect("set", driver)
    for _ in range(2):  # The repeated start gets the same answer.
        await start(watcher, token_for(rider), details=True)
        assert await watcher.frame() == f'{{"userId": {driver}, "status": "unknown"}}'
    await report(socket, token_for(driver))
    assert (await details(watcher))["status"] == "live"


async def test_a_change_of_status_alone_sends_the_location_again(connect, driver, rider, settings):
    settings.TRACKING = settings.TRACKING | {"STALE_AFTER": 0.2, "OFFLINE_AFTER": 0.5}
    watcher, socket = await connect("get", driver), await connect("set", driver)
    await report(socket, token_for(driver))
    await start(watcher, token_for(rider), details=True)
    frames = [await details(watcher) for _ in range(3)]
    assert [frame.pop("status") for frame in frames] == ["live", "stale", "offline"]
    assert frames[0] == frames[1] == frames[2]
    await report(socket, token_for(driver))
    assert [(await details(watcher))["status"] for _ in range(2)] == ["live", "stale"]


async def test_a_departure_is_sent_only_to_watchers_that_asked_for_details(connect, driver, rider):
    plain, detailed = await connect("get", driver), await connect("get", driver)
    socket = await connect("set", driver)
    await report(socket, token_for(driver))
    await start(plain, token_for(rider))
    await start(detailed, token_for(rider), details=True)
    assert await plain.frame() == encode_location(1, 2)
    before = await details(detailed)
    newest = await stored(driver)
    gone = msgspec.structs.replace(newest, disconnected_at=datetime.now(UTC))
    runtime = get_runtime()
    runtime.submit([gone], Sender())
    after = await details(detailed)
    assert (before.pop("status"), after.pop("status")) == ("live", "offline")
    assert after == before
    await runtime.drain()
    assert (await stored(driver)).disconnected_at == gone.disconnected_at
    assert await plain.receive_nothing(0.05)
    # The same fix again: the driver is back.
    runtime.submit([msgspec.structs.replace(newest, received_at=runtime.clock.now())], Sender())
    assert (await details(detailed))["status"] == "live"
    assert await plain.receive_nothing(0.05)


async def test_a_client_that_asks_for_nothing_gets_the_contracts_frames_to_the_byte(
    connect, driver, rider, settings
):
    settings.TRACKING = settings.TRACKING | {"STALE_AFTER": 0.05, "OFFLINE_AFTER": 0.1}
    plain, detailed = await connect("get", driver), await connect("get", driver)
    socket = await connect("set", driver)
    await start(plain, token_for(rider))
    await start(detailed, token_for(rider), details=True)
    await details(detailed)
    acknowledged = await report(socket, token_for(driver), heading=1, speed=2, accuracy=3)
    while (await details(detailed))["status"] != "offline":
        pass
    assert acknowledged == await plain.frame()
    assert acknowledged == '{"location_lat": "1", "location_lon": "2"}'
    assert await plain.receive_nothing(0.1)


async def test_details_may_be_switched_on_and_off_later(connect, located, rider):
    watcher, token = await connect("get", located), token_for(rider)
    await start(watcher, token)
    assert await watcher.frame() == encode_location(-2.3123, 2.4535)
    await start(watcher, token, details=True)
    assert list(await details(watcher)) == DETAILS
    await start(watcher, token)
    assert await watcher.frame() == encode_location(-2.3123, 2.4535)
    socket = await connect("set", located)
    await report(socket, token_for(located))
    assert await watcher.frame() == encode_location(1, 2)
    assert await watcher.receive_nothing(0.05)


# Expiry


async def test_with_details_the_end_of_the_token_is_announced(connect, located, rider, monkeypatch):
    monkeypatch.setattr(session_module, "EXPIRY_WARNING", 2.0)
    plain, detailed = await connect("get", located), await connect("get", located)
    # Expiry is in whole seconds: the token lives at least three, enough for the warning.
    token = token_for(rider, lifetime=4)
    await start(plain, token)
    await start(detailed, token, details=True)
    await plain.frame(), await detailed.frame()
    assert await detailed.frame() == '{"token_expires_in": 2}'
    # Renewed on the same connection, the stream goes on.
    await start(detailed, token_for(rider), details=True)
    assert list(await details(detailed)) == DETAILS
    assert (await plain.error(), await plain.close_code()) == ("token_expired", 4401)
    assert await detailed.receive_nothing(0.2)


# Stop, and messages without a token


async def test_a_stop_ends_the_stream_and_a_start_resumes_it(connect, driver, rider):
    watcher, socket = await connect("get", driver), await connect("set", driver)
    await report(socket, token_for(driver), lat="5")
    await start(watcher, token_for(rider))
    assert await watcher.frame() == encode_location(5, 2)
    await watcher.send({"command": "stop"})
    await watcher.send({"command": "go on"})  # The answer shows that the stop is done.
    assert await watcher.error() == "invalid_message"
    await report(socket, token_for(driver))
    assert await watcher.receive_nothing(0.05)
    await watcher.send({"command": "start"})
    assert await watcher.frame() == encode_location(1, 2)


async def test_after_one_accepted_message_the_token_may_be_left_out(connect, driver):
    socket = await connect("set", driver)
    await report(socket, token_for(driver))
    await socket.send({"command": "send", "lat": "3", "lon": "4"})
    assert await socket.frame() == encode_location(3, 4)


@pytest.mark.parametrize("route", ["get", "set"])
async def test_without_any_token_nothing_is_done(connect, driver, route):
    socket = await connect(route, driver)
    command = {"get": {"command": "start"}, "set": {"command": "send", "lat": 1, "lon": 2}}[route]
    await socket.send(command)
    error = json.loads(await socket.frame())["error"]
    assert error["code"] == "invalid_message"
    assert "token" in error["message"]


async def test_a_refused_token_does_not_count_for_later_messages(connect, located, rider):
    watcher = await connect("get", located)
    await watcher.send({"command": "stop"})
    assert await watcher.error() == "invalid_message"
    await watcher.start("no.valid.token")
    assert (await watcher.error(), await watcher.close_code()) == ("token_invalid", 4401)


# Catching up


async def test_every_good_fix_of_a_batch_reaches_the_pipeline_oldest_first(connect, driver):
    submitted = []
    runtime = get_runtime()
    submit = runtime.submit
    runtime.submit = lambda fixes, waiter: (submitted.append(fixes), submit(fixes, waiter))
    socket = await connect("set", driver)
    fixes = [
        {"lat": 2, "lon": 0, "recorded_at": ago(20)},
        {"lat": 91, "lon": 0, "recorded_at": ago(15)},
        {"lat": 3, "lon": 0, "recorded_at": ago(10)},
        {"lat": 1, "lon": 0, "recorded_at": ago(30)},
    ]
    await socket.send({"token": token_for(driver), "command": "send_batch", "fixes": fixes})
    assert await socket.frame() == encode_location(3, 0)
    (batch,) = submitted
    assert [fix.latitude for fix in batch] == [1, 2, 3]
    recorded = [fix.recorded_at for fix in batch]
    assert recorded == sorted(set(recorded))


async def test_of_a_batch_the_newest_is_shown_stored_and_acknowledged_once(connect, driver, rider):
    watcher, socket = await connect("get", driver), await connect("set", driver)
    await start(watcher, token_for(rider))
    fixes = [{"lat": 30 - n, "lon": 0, "recorded_at": ago(30 - n)} for n in (3, 1, 2)]
    await socket.send({"token": token_for(driver), "command": "send_batch", "fixes": fixes})
    assert await socket.frame() == encode_location(27, 0)
    assert await watcher.frame() == encode_location(27, 0)
    assert await socket.receive_nothing(0.05)
    assert await watcher.receive_nothing(0.05)
    assert (await stored(driver)).latitude == 27


async def test_verdicts_are_sent_only_on_request_and_acknowledgements_are_unchanged(
    connect, driver
):
    socket = await connect("set", driver)
    fixes = [{"lat": 91, "lon": 0}, {"lat": 1, "lon": 0}]
    await report(socket, token_for(driver))
    await socket.send({"command": "send_batch", "fixes": fixes})
    assert await socket.frame() == encode_location(1, 0)
    await socket.send({"command": "send_batch", "fixes": fixes, "details": True})
    frame = json.loads(await socket.frame())
    assert list(frame) == ["location_lat", "location_lon", "rejected"]
    assert frame["rejected"] == [
        {"index": 0, "code": "invalid_location", "message": "lat must be between -90 and 90"}
    ]
    await socket.send({"command": "send_batch", "fixes": fixes[1:], "details": True})
    assert await socket.frame() == encode_location(1, 0)
    await socket.send({"command": "send_batch", "fixes": fixes[:1], "details": True})
    assert await socket.error() == "invalid_location"
    assert (await stored(driver)).latitude == 1


async def test_a_late_fix_is_acknowledged_and_does_not_move_the_dot(connect, driver, rider):
    watcher, socket = await connect("get", driver), await connect("set", driver)
    token = token_for(driver)
    await start(watcher, token_for(rider))
    await report(socket, token, lat="10", recorded_at=ago(1))
    assert await watcher.frame() == encode_location(10, 2)
    assert await report(socket, token, lat="9", recorded_at=ago(60)) == encode_location(9, 2)
    fixes = [{"lat": 8, "lon": 0, "recorded_at": ago(90)}]
    await socket.send({"command": "send_batch", "fixes": fixes})
    assert await socket.frame() == encode_location(8, 0)
    assert await watcher.receive_nothing(0.05)
    assert (await stored(driver)).latitude == 10


@pytest.mark.parametrize("ahead", [0, 600])
async def test_a_repeated_fix_counts_as_heard_and_moves_nothing(connect, driver, rider, ahead):
    watcher, socket = await connect("get", driver), await connect("set", driver)
    plain = await connect("get", driver)
    token = token_for(driver)
    await start(watcher, token_for(rider), details=True)
    await details(watcher)
    fixes = [{"lat": str(lat), "recorded_at": ago(5 - lat - ahead)} for lat in (1, 2, 3)]
    for fix in fixes:
        await report(socket, token, **fix)
    shown = [await details(watcher) for _ in fixes]
    assert [frame["location_lat"] for frame in shown] == ["1", "2", "3"]
    await start(plain, token_for(rider))
    assert await plain.frame() == encode_location(3, 2)
    kept = await stored(driver)
    for fix in [fixes[0], fixes[2], fixes[1], fixes[2]]:
        assert await report(socket, token, **fix) == encode_location(int(fix["lat"]), 2)
        frame = await details(watcher)
        assert frame["heard_at"] > shown[-1]["heard_at"]
        for name in ("location_lat", "recorded_at", "clock_offset"):
            assert frame[name] == shown[-1][name]
    assert await plain.receive_nothing(0.05)
    after = await stored(driver)
    assert not after.is_elsewhere(kept)
    assert after.heard > kept.heard


async def test_a_clock_that_is_set_right_again_does_not_freeze_the_dot(connect, driver, rider):
    watcher, socket = await connect("get", driver), await connect("set", driver)
    await start(watcher, token_for(rider))
    for lat, ahead in enumerate([3600, 3595, 1800, -0.2, 0]):
        await report(socket, token_for(driver), lat=str(lat), recorded_at=ago(-ahead))
    # By the first fix's clock all others are late; the second with the right time corrects it.
    assert [await watcher.frame() for _ in "04"] == [encode_location(lat, 2) for lat in (0, 4)]
    assert (await stored(driver)).latitude == 4
