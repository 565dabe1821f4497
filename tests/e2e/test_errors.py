"""Errors that a real client receives for wrong messages, on either stack."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .client import read_error
from .stack import RIDER

ROUTES = {
    "set-tracking": {"command": "send", "lat": "1.5", "lon": "2.5"},
    "get-tracking": {"command": "start"},
}

# A text that no answer and no log may repeat.
SECRET = "do-not-repeat-me"


@pytest.fixture(params=ROUTES)
def route(request):
    return request.param


@pytest.fixture
async def client(stack, driver_id, route):
    """Open a connection to the route, which has not authenticated yet."""
    async with stack.client(route, f"userId={driver_id}") as client:
        yield client


@pytest.fixture
def good(stack, driver_id, route):
    """Return the payload of a message that the route accepts and answers with a frame."""
    return {"token": stack.tokens[driver_id], **ROUTES[route]}


def message(payload, **fields):
    return json.dumps({"type": "authenticate", "payload": payload, **fields})


def without(payload, key):
    return {name: value for name, value in payload.items() if name != key}


BAD_MESSAGES = {
    "empty": lambda good: "",
    "not JSON": lambda good: SECRET,
    "cut off": lambda good: message(good)[:-1],
    "two objects": lambda good: message(good) * 2,
    "null": lambda good: "null",
    "a list": lambda good: json.dumps([message(good)]),
    "a string": lambda good: json.dumps(message(good)),
    "an empty object": lambda good: "{}",
    "another type": lambda good: message(good, type=SECRET),
    "no type": lambda good: json.dumps({"payload": good}),
    "a type that is no string": lambda good: message(good, type=1),
    "no payload": lambda good: json.dumps({"type": "authenticate"}),
    "a payload that is no object": lambda good: message(SECRET),
    "no command": lambda good: message(without(good, "command")),
    "an unknown command": lambda good: message(good | {"command": SECRET}),
    "the other route's command": lambda good: message(
        good | {"command": "start" if good["command"] == "send" else "send"}
    ),
    "no token": lambda good: message(without(good, "token")),
    "a token that is no string": lambda good: message(good | {"token": {"jwt": SECRET}}),
    "NaN": lambda good: message(good | {"extra": float("nan")}),
    "Infinity": lambda good: message(good | {"extra": float("inf")}),
    "nested without end": lambda good: "[" * 10_000,
    "a lone surrogate": lambda good: message(good).replace("authenticate", "\\ud800"),
    "binary": lambda good: message(good).encode(),
    "binary that is no text": lambda good: b"\xff\x00",
}


@pytest.mark.parametrize("bad", BAD_MESSAGES.values(), ids=BAD_MESSAGES)
async def test_a_bad_message_is_answered_and_the_connection_goes_on(client, good, route, bad):
    await client.send_text(bad(good))
    code, text = read_error(await client.frame(0))
    assert code == "invalid_message"
    assert SECRET not in text
    assert good["token"] not in text
    if route == "get-tracking":
        # There is no location yet, so this message has no answer: the next one proves the point.
        await client.send_text(message(good))
        await client.send_text("")
        assert read_error(await client.frame(1))[0] == "invalid_message"
    else:
        await client.send_text(message(good))
        assert json.loads(await client.frame(1))["location_lat"] == "1.5"


BAD_DEGREES = [
    "",
    " 1",
    "1 ",
    "1,5",
    "0x1",
    "NaN",
    "inf",
    "1e",
    SECRET,
    "\u0661",
    None,
    True,
    [1],
    {},
]


@pytest.mark.parametrize("name", ["lat", "lon"])
@pytest.mark.parametrize(
    "value", [*BAD_DEGREES, 180.0000001, "-181", 1e300, "1e300", 10**30], ids=repr
)
async def test_a_bad_location_is_answered_and_the_connection_goes_on(stack, driver_id, name, value):
    async with stack.driver(driver_id) as driver:
        code, text = read_error(await driver.send(**{"lat": 1, "lon": 2, name: value}))
        assert code == "invalid_location"
        assert name in text
        assert SECRET not in text
        assert json.loads(await driver.send(1, 2)) == {"location_lat": "1", "location_lon": "2"}


@pytest.mark.parametrize("name", ["lat", "lon"])
async def test_a_missing_coordinate_is_a_bad_location(stack, driver_id, name):
    async with stack.driver(driver_id) as driver:
        payload = {"token": driver.token, "command": "send", "lat": 1, "lon": 2}
        await driver.send_text(message(without(payload, name)))
        code, text = read_error(await driver.frame(0))
        assert (code, text.split()[0]) == ("invalid_location", name)


async def test_latitude_ends_at_the_poles_and_longitude_at_the_date_line(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        answers = [
            await driver.send(*point) for point in [(90, 180), (-90, -180), (90.1, 0), (0, -180.1)]
        ]
        assert ["error" in json.loads(answer) for answer in answers] == [False, False, True, True]
        assert "between -90 and 90" in answers[2]
        assert "between -180 and 180" in answers[3]


async def test_the_fifth_bad_message_in_a_row_ends_the_connection(client):
    for number in range(5):
        await client.send_text(b"" if number % 2 else "")
        assert read_error(await client.frame(number))[0] == "invalid_message"
    assert await client.close_code() == 4400
    assert len(client.frames) == 5


async def test_bad_locations_and_bad_messages_count_together(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        for number in range(4):
            await (driver.send_text("") if number % 2 else driver.post("x", 0))
        await driver.frame(3)
        await driver.post(91, 0)
        assert await driver.close_code() == 4400
        codes = [read_error(frame)[0] for frame in driver.frames]
        assert codes == ["invalid_location", "invalid_message"] * 2 + ["invalid_location"]


async def test_a_good_message_in_between_starts_the_count_again(client, good):
    for _ in range(3):
        for _ in range(4):
            await client.send_text("")
        await client.send_text(message(good))
    await client.until(lambda frames: sum('"error"' in frame for frame in frames) == 12)
    await client.send_text("")
    await client.until(lambda frames: sum('"error"' in frame for frame in frames) == 13)


@pytest.mark.parametrize(
    "query",
    [
        *("", "userId", "userId=", "userid=19", "userId=x", "userId=0", "userId=-19", "userId=+19"),
        *("userId=1.5", "userId=1e3", "userId=19%20", "userId=%D9%A1", "userId=9" + "9" * 19),
        *("userId=19&userId=19", "userId=19&userId=20", f"userId={SECRET}"),
    ],
)
async def test_a_handshake_without_a_valid_user_id_ends_with_an_error(stack, route, query):
    async with stack.client(route, query) as client:
        code, text = read_error(await client.frame(0))
        assert code == "invalid_user_id"
        assert SECRET not in text
        assert await client.close_code() == 4400
        assert len(client.frames) == 1


@pytest.mark.parametrize("size", [32 * 1024 + 1, 100_000, 2_000_000])
@pytest.mark.parametrize("kind", [str, bytes])
async def test_a_frame_too_big_ends_the_connection(client, good, kind, size):
    text = message(good).ljust(size)
    await client.send_text(text if kind is str else text.encode())
    assert await client.close_code() == 1009
    assert client.frames == []


async def test_a_frame_as_big_as_allowed_is_accepted(stack, driver_id):
    async with stack.driver(driver_id) as driver:
        payload = {"token": driver.token, "command": "send", "lat": 1, "lon": 2}
        await driver.send_text(message(payload).ljust(32 * 1024))
        assert json.loads(await driver.frame(0))["location_lat"] == "1"


@pytest.mark.parametrize(
    "path", ["/", "/driver/", "/driver/get-tracking//", "/driver/reset-tracking?userId=19"]
)
async def test_an_unknown_route_is_refused_at_the_handshake(stack, path):
    for server in stack.servers:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(server.websocket_url + path, proxy=None)
        assert 400 <= refusal.value.response.status_code < 500


async def test_a_client_that_misbehaves_does_not_harm_another(stack, driver_id, client):
    async with stack.driver(driver_id) as driver, stack.watcher(driver_id) as watcher:
        await watcher.start()
        for number in range(5):
            await client.send_text("")
            assert await driver.send(number, 0) == await watcher.frame(number)
        assert await client.close_code() == 4400
        assert await driver.send(5, 0) == await watcher.frame(5)


async def test_no_log_repeats_tokens_or_what_clients_sent(stack):
    async with stack.client("get-tracking", f"userId=19&token={SECRET}") as client:
        await client.send_message(token=SECRET, command="start")
        assert await client.close_code() == 4401
    log = stack.log()
    assert SECRET not in log
    assert "userId=" not in log
    assert stack.tokens[RIDER] not in log
