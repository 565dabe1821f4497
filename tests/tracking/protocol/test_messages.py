"""Accepted messages, and the errors for all others."""

import json
import time

import pytest

from tracking.protocol import InvalidLocation, InvalidMessage

from ..messages import TOKEN, decode_send, decode_start, send, send_text, start, without

# Accepted messages


def test_the_contracts_start_message_gives_its_token():
    text = '{"type": "authenticate", "payload": {"token": "<JWT>", "command": "start"}}'
    assert decode_start(text) == "<JWT>"


def test_the_contracts_send_message_gives_token_and_degrees():
    text = (
        '{"type": "authenticate", "payload": {"token": "<JWT>", "command": "send",'
        ' "lat": "-1.4354", "lon": "0.9871"}}'
    )
    assert decode_send(text) == ("<JWT>", -1.4354, 0.9871)


@pytest.mark.parametrize(
    ("lat", "expected"),
    [
        ('"52.5"', 52.5),
        ("52.5", 52.5),
        ("52", 52.0),
        ('"+52"', 52.0),
        ('".5"', 0.5),
        ('"5."', 5.0),
        ('"5e-1"', 0.5),
        ("5E1", 50.0),
        ("-90", -90.0),
        ('"90.0"', 90.0),
        ('"000000000000000000001"', 1.0),
        ("1e-999", 0.0),
        ('"-0"', 0.0),
        ('"12.34567891"', 12.3456789),
        ('"1.00000004"', 1.0),
        ("89.99999999", 90.0),
    ],
)
def test_location_is_a_decimal_string_or_a_number_kept_to_seven_decimals(lat, expected):
    assert decode_send(send_text(lat))[1] == expected


@pytest.mark.parametrize(
    "extra",
    [{"x": 1}, {"payload": {"x": [{"y": None}], "accuracy": "?"}}, {"details": 1}],
)
def test_unknown_keys_are_ignored(extra):
    assert decode_start(json.dumps(start(**extra))) == TOKEN


def test_of_a_repeated_key_the_last_counts():
    assert decode_send(send_text("1", '2, "lat": 3'))[1:] == (3.0, 2.0)


# Refused messages

REFUSED_BY_BOTH = [
    "",
    " ",
    "null",
    "true",
    "17",
    '"authenticate"',
    "[]",
    "{}",
    "not JSON",
    "{'type': 'authenticate'}",
    '{"type": "authenticate"}',
    '{"type": "authenticate", "payload": null}',
    '{"type": "authenticate", "payload": []}',
    "\ufeff{}",
    '"\ud800"',
    '{"type": NaN}',
    '{"type": Infinity}',
    "[" * 100_000,
    '{"type":' * 5_000,
    json.dumps(start(type="start")),
    json.dumps(start(type=None)),
    json.dumps(start(payload={"command": "pause"})),
    json.dumps(start(payload={"command": "START"})),
    json.dumps(start(payload={"command": None})),
    json.dumps(start(payload={"token": 5})),
    json.dumps(start(payload={"token": ["t"]})),
    json.dumps(without(start(), "command")),
    json.dumps(start()) + "{}",
    json.dumps(start(x=float("nan"))),
    json.dumps(start(x=float("-inf"))),
    json.dumps(start()).replace(TOKEN, r"\ud800"),
    json.dumps(start()).replace(TOKEN, "\ud800"),
    json.dumps(start()).replace(TOKEN, "line\nfeed"),
]


@pytest.mark.parametrize("decode", [decode_start, decode_send])
@pytest.mark.parametrize("text", REFUSED_BY_BOTH)
def test_what_is_no_message_of_the_route_is_refused_as_an_invalid_message(decode, text):
    with pytest.raises(InvalidMessage) as refusal:
        decode(text)
    assert refusal.value.code == "invalid_message"


def test_a_send_is_no_message_of_a_watcher():
    with pytest.raises(InvalidMessage, match="start"):
        decode_start(json.dumps(send()))


def test_a_start_is_no_message_of_a_driver():
    with pytest.raises(InvalidMessage, match="send"):
        decode_send(json.dumps(start()))


BAD_DEGREES = [
    "null",
    "true",
    "{}",
    "[]",
    "[1]",
    '""',
    '" "',
    '" 1"',
    '"1 "',
    '"1\\n"',
    '"1,5"',
    '"1_0"',
    '"0x10"',
    '"one"',
    '"--1"',
    '"."',
    '"e5"',
    '"1e"',
    '"nan"',
    '"NaN"',
    '"inf"',
    '"-Infinity"',
    '"\\u0661"',
    '"\\uff11"',
    '"1\\u0000"',
    '"1e999"',
    "1e999",
    "-1e999",
    "9" * 10_000,
    '"' + "9" * 10_000 + '"',
    "18446744073709551616",
    '"180.1"',
    "-180.0000001",
]


@pytest.mark.parametrize("bad", [*BAD_DEGREES, '"90.0000001"', "-90.00000001", "91"])
def test_bad_latitude_is_refused_as_an_invalid_location(bad):
    with pytest.raises(InvalidLocation, match="lat"):
        decode_send(send_text(bad))


@pytest.mark.parametrize("bad", BAD_DEGREES)
def test_bad_longitude_is_refused_as_an_invalid_location(bad):
    with pytest.raises(InvalidLocation, match="lon"):
        decode_send(send_text("0", bad))


@pytest.mark.parametrize("key", ["lat", "lon"])
def test_missing_coordinate_is_refused_as_an_invalid_location(key):
    with pytest.raises(InvalidLocation, match=f"{key} is missing"):
        decode_send(json.dumps(without(send(), key)))


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1."])
def test_a_coordinate_that_is_not_json_makes_the_message_invalid(bad):
    with pytest.raises(InvalidMessage) as refusal:
        decode_send(send_text(bad))
    assert refusal.value.code == "invalid_message"


@pytest.mark.parametrize(
    "text",
    [
        send_text('"' + "1" * 32_000 + 'x"'),
        send_text('"' + "1" * 16_000 + "." + "1" * 16_000 + 'x"'),
        send_text('"' + "1" * 32_000 + 'e"'),
        send_text('"-' + "." * 32_000 + '"'),
        send_text('"' + "1e" * 16_000 + '"'),
        send_text("1" * 32_000),
        send_text('"1e' + "9" * 32_000 + '"'),
        send_text('"' + "\\u0031" * 5_200 + 'x"'),
        '{"payload":' * 3_000 + "}" * 3_000,
    ],
)
def test_no_message_of_the_allowed_size_takes_long_to_refuse(text):
    started = time.process_time()
    with pytest.raises(InvalidMessage):
        decode_send(text)
    # A regular expression that backtracks takes seconds; this takes well under a millisecond.
    assert time.process_time() - started < 0.1
