"""OwnTracks and Traccar Client report on either stack.

The requests are those of the apps, byte for byte but for host, token, and `Connection: close`.
"""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from .http import exchange
from .phone_queues import in_shell

FRAME = '{"location_lat": "-1.4354", "location_lon": "0.9871"}'
TWO_MINUTES = timedelta(minutes=2)


@pytest.fixture
def driver_id(phone):
    return phone[0]


@pytest.fixture
def token(phone):
    return phone[1]


def request(target, body=b"", *headers):
    lines = [
        f"POST {target} HTTP/1.1",
        *headers,
        f"Content-Length: {len(body)}",
        "Host: 127.0.0.1",
        "Connection: close",
        "Accept-Encoding: gzip",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def owntracks_android(token, at, **changes):
    message = {
        "_type": "location",
        "BSSID": "02:00:00:00:00:00",
        "SSID": "depot",
        "_id": "7a3c1f0b",
        "acc": 12,
        "alt": 43,
        "batt": 77,
        "bs": 1,
        "cog": 271,
        "conn": "m",
        "created_at": int(at.timestamp()) + 1,
        "lat": -1.4354,
        "lon": 0.9871,
        "m": 1,
        "source": "fused",
        "tid": "ma",
        "topic": "owntracks/mary/phone",
        "tst": int(at.timestamp()),
        "vac": 3,
        "vel": 36,
    }
    return request(
        "/driver/report/owntracks/",
        json.dumps(message | changes, separators=(",", ":")).encode(),
        "User-Agent: Owntracks-Android/org.owntracks.android/420503007",
        "Content-Type: application/json; charset=utf-8",
        "X-Limit-U: mary",
        "X-Limit-D: phone",
        "Authorization: Basic " + base64.b64encode(f"mary:{token}".encode()).decode(),
    )


def traccar_parameters(token, at, **changes):
    """Return the path of a report by version 8, whose speed is 10 m/s in knots."""
    parameters = {
        "id": token,
        "timestamp": int(at.timestamp()),
        "lat": "-1.4354",
        "lon": "0.9871",
        "speed": "19.438444924406046",
        "bearing": "271.0",
        "altitude": "43.0",
        "accuracy": "12.0",
        "batt": "77.0",
    }
    return urlencode(parameters | changes)


def traccar_android_8(token, at, **changes):
    return request(
        f"/driver/report/osmand/?{traccar_parameters(token, at, **changes)}",
        b"",
        "User-Agent: Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A.230803.041)",
        "Content-Type: application/x-www-form-urlencoded",
        "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    )


def osmand(token, at, **changes):
    return traccar_android_8(token, at, **changes).replace(b"POST", b"GET", 1)


def form(token, at, **changes):
    return request(
        "/driver/report/osmand/",
        traccar_parameters(token, at, **changes).encode(),
        "Content-Type: application/x-www-form-urlencoded",
    )


def traccar_9(token, at, **changes):
    coords = {
        "latitude": -1.4354,
        "longitude": 0.9871,
        "accuracy": 12,
        "speed": 10,
        "speed_accuracy": 1.5,
        "heading": 271,
        "heading_accuracy": 45,
        "altitude": 43,
        "ellipsoidal_altitude": 43,
        "altitude_accuracy": 2,
    }
    if "lat" in changes:
        coords["latitude"] = changes["lat"]
    message = {
        "location": {
            "event": "motionchange",
            "is_moving": True,
            "uuid": "b7f2b7f0-6a53-4f1e-a0c4-6f7e0a4e6a9b",
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "odometer": 1024.5,
            "coords": coords,
            "activity": {"type": "in_vehicle", "confidence": 100},
            "battery": {"level": 0.77, "is_charging": False},
            "extras": {},
        },
        "device_id": token,
    }
    return request(
        "/driver/report/osmand/",
        json.dumps(message).encode(),
        "User-Agent: okhttp/4.12.0",
        "Content-Type: application/json; charset=utf-8",
    )


APPS = [owntracks_android, traccar_android_8, traccar_9, osmand, form]


@pytest.mark.parametrize("app", APPS)
async def test_app_reports_in_our_units_to_watchers_and_the_database(stack, driver_id, token, app):
    measured_at = datetime.now(UTC).replace(microsecond=0) - TWO_MINUTES
    async with stack.watcher(driver_id) as watcher:
        await watcher.start()
        answer = await exchange(stack.driver_server.port, app(token, measured_at))
        assert (answer.status, answer.body) == (200, b"[]" if app is owntracks_android else b"")
        await watcher.frame(0)
        late = app(token, measured_at - TWO_MINUTES, lat=5)
        assert (await exchange(stack.driver_server.port, late)).status == 200
        newer = app(token, measured_at + TWO_MINUTES / 2, lat=6)
        assert (await exchange(stack.driver_server.port, newer)).status == 200
        await watcher.frame(1)
        assert watcher.frames == [FRAME, FRAME.replace("-1.4354", "6")]
    row = stack.stored(driver_id)
    assert row.recorded_at == measured_at + TWO_MINUTES / 2
    assert (row.heading, row.accuracy) == (271, 12)
    assert row.speed == pytest.approx(10)


async def test_device_that_is_revoked_is_refused_at_once_on_every_worker(stack, driver_id, token):
    now = datetime.now(UTC)
    for server in stack.servers:
        assert (await exchange(server.port, osmand(token, now))).status == 200
    in_shell(stack, f"revoke(Device.objects.filter(driver={driver_id}))")
    for server in stack.servers:
        for app in APPS:
            answer = await exchange(server.port, app(token, now))
            assert (answer.status, answer.json()["code"]) == (401, "token_invalid")


async def test_owntracks_other_messages_get_the_answer_that_the_app_expects(
    stack, driver_id, token
):
    now = datetime.now(UTC)
    for kind in ("transition", "waypoint", "lwt", "status"):
        answer = await exchange(stack.driver_server.port, owntracks_android(token, now, _type=kind))
        assert (answer.status, answer.body) == (200, b"[]")
        assert answer.headers["content-type"] == "application/json"
    assert stack.stored(driver_id) is None


async def test_no_device_token_is_in_the_log(stack, token):
    # A line that shows that the log is read at all.
    mark = f"marked-{time.time_ns()}"
    port = stack.driver_server.port
    for app in APPS:
        for guess in (token, token[:-1] + "1"):
            await exchange(port, app(guess, datetime.now(UTC)))
            await exchange(port, app(guess, datetime.now(UTC), lat=91))
    await exchange(port, request(f"/{mark}/"))
    log = stack.driver_server.log()
    assert mark in log
    assert token not in log
    assert token[:-1] not in log
