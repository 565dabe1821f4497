"""Extensions beyond the contract, and the answers to them."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tracking.protocol import (
    InvalidLocation,
    InvalidMessage,
    Start,
    Stop,
    Verdict,
    decode_driver_message,
    decode_watcher_message,
    details,
    encode_details,
    encode_expiry_warning,
    encode_location,
    encode_unknown,
    encode_verdicts,
    judge,
    to_fix,
)

from ..fakes import NOON, fix_of
from ..messages import TOKEN, batch, decode_fix, send, start


def sent(**payload):
    return decode_fix(json.dumps(send(payload=payload)))


# Accepted messages


def test_a_fix_keeps_what_the_device_measured():
    fix = sent(recorded_at="2026-01-31T11:59:58.5Z", heading=0, speed=0, accuracy=4.5)
    assert fix.recorded_at == NOON - timedelta(seconds=1.5)
    assert fix.received_at == NOON
    assert (fix.heading, fix.speed, fix.accuracy) == (0.0, 0.0, 4.5)


@pytest.mark.parametrize("key", ["recorded_at", "heading", "speed", "accuracy"])
def test_what_was_not_measured_may_be_null_or_left_out(key):
    assert sent(**{key: None}) == sent()


def test_without_a_time_of_its_own_a_fix_was_recorded_when_it_arrived():
    assert sent().recorded_at == NOON


@pytest.mark.parametrize("seconds", [0.001, 1, 3600, 10**8])
def test_a_time_in_the_future_is_read_as_the_time_of_arrival(seconds):
    ahead = (NOON + timedelta(seconds=seconds)).isoformat()
    assert sent(recorded_at=ahead).recorded_at == NOON


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T11:00:00Z",
        "2026-01-31T11:00:00.000000Z",
        "2026-01-31T16:30:00+05:30",
        "2026-01-31T01:00:00-10:00",
        "2026-01-31 11:00:00z",
    ],
)
def test_a_time_may_have_any_offset_and_is_kept_in_utc(text):
    recorded_at = sent(recorded_at=text).recorded_at
    assert recorded_at == NOON - timedelta(hours=1)
    assert recorded_at.tzinfo is UTC


@pytest.mark.parametrize("asked", [True, False])
def test_a_start_may_ask_for_details(asked):
    payload = decode_watcher_message(json.dumps(start(payload={"details": asked})))
    assert payload == Start(token=TOKEN, details=asked)


def test_a_stop_ends_the_stream():
    payload = decode_watcher_message(json.dumps(start(payload={"command": "stop"})))
    assert payload == Stop(token=TOKEN)


@pytest.mark.parametrize("missing", [{}, {"token": None}])
def test_a_token_may_be_left_out(missing):
    for decode, payload in (
        (decode_watcher_message, {"command": "start"}),
        (decode_watcher_message, {"command": "stop"}),
        (decode_driver_message, {"command": "send", "lat": 1, "lon": 2}),
        (decode_driver_message, {"command": "send_batch", "fixes": [{"lat": 1, "lon": 2}]}),
    ):
        message = {"type": "authenticate", "payload": payload | missing}
        assert decode(json.dumps(message)).token is None


# Batches


def at(second, **fix):
    recorded_at = (NOON + timedelta(seconds=second)).isoformat()
    return {"lat": second / 100, "lon": "0", "recorded_at": recorded_at} | fix


@pytest.mark.parametrize(
    "fixes",
    [
        [at(-3), at(-2), at(-1)],
        [at(-1), at(-2), at(-3)],
        [at(-2), at(-1), at(-3)],
        [at(-1, lat=5), at(-1)],
        # Times of a clock that is an hour ahead are ordered among themselves.
        [at(3500, lat=5), at(3599), at(3550, lat=7)],
        # A fix without a time counts at its arrival.
        [at(-1, lat=5), {"lat": -0.01, "lon": 0}],
    ],
)
def test_of_a_batch_the_newest_goes_on_and_of_equals_the_last(fixes):
    expected = 35.99 if any(fix["lat"] == 35.99 for fix in fixes) else -0.01
    assert decode_fix(json.dumps(batch(*fixes))).latitude == expected


def test_a_batch_holds_up_to_a_hundred_fixes():
    fixes = [at(-second) for second in range(100)]
    assert decode_fix(json.dumps(batch(*fixes))).recorded_at == NOON


@pytest.mark.parametrize("fixes", [[], [at(0)] * 101, None, {}, "fixes", [None], [[]], ["fix"]])
def test_a_batch_of_the_wrong_size_or_shape_is_refused(fixes):
    with pytest.raises(InvalidMessage) as refusal:
        decode_fix(json.dumps(batch(payload={"fixes": fixes})))
    assert refusal.value.code == "invalid_message"


BAD_FIXES = [
    (at(0, lat=91), "invalid_location", "lat must be between -90 and 90"),
    (at(0, lat="north"), "invalid_location", "lat must be a decimal string or a number"),
    ({"lon": 1}, "invalid_location", "lat is missing: send it as decimal degrees"),
    (at(0, lon=[1]), "invalid_location", "lon must be a decimal string or a number"),
    (at(0, lat=0, lon=0, accuracy=-1), "invalid_location", "0, 0 with a negative accuracy"),
    (at(0, heading="east"), "invalid_message", "heading must be a number"),
    (at(0, speed=True), "invalid_message", "speed must be a number"),
    (at(0, recorded_at="noon"), "invalid_message", "recorded_at must be a time"),
    (at(0, recorded_at="0001-01-01T00:00:00+14:00"), "invalid_message", "recorded_at must be"),
    (None, "invalid_message", "expected {"),
    ([at(0)], "invalid_message", "expected {"),
    (7, "invalid_message", "expected {"),
]


@pytest.mark.parametrize(("bad", "code", "message"), BAD_FIXES, ids=str)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_fix_refuses_none_of_its_neighbours_in_the_batch(bad, code, message, place):
    fixes = [at(-2), at(-1)]
    fixes.insert(place, bad)
    good, verdicts = judge(decode_driver_message(json.dumps(batch(*fixes))).fixes)
    assert [fix.lat for fix in good] == [-0.02, -0.01]
    ((index, code_told, message_told),) = map(msgspec.structs.astuple, verdicts)
    assert (index, code_told) == (place, code)
    assert message_told.startswith(message)
    with pytest.raises(InvalidMessage, match=r"fixes\[0\]: ") as refusal:
        decode_fix(json.dumps(batch(bad, bad)))
    assert refusal.value.code == code


def test_a_number_beyond_all_numbers_refuses_its_own_fix_alone():
    text = json.dumps(batch(at(-2), at(-1, speed=7))).replace("7}", "1e999}")
    good, verdicts = judge(decode_driver_message(text).fixes)
    assert ([fix.lat for fix in good], [verdict.index for verdict in verdicts]) == ([-0.02], [1])


def test_a_batch_with_a_bad_fix_keeps_its_token_and_what_it_asks_for():
    message = batch(at(-1), None, payload={"details": True})
    payload = decode_driver_message(json.dumps(message))
    assert (payload.token, payload.details) == (TOKEN, True)


def test_verdicts_are_added_to_the_acknowledgement():
    verdicts = [Verdict(3, "invalid_location", "lat must be between -90 and 90")]
    frame = encode_verdicts(1.5, 2.5, verdicts)
    assert frame.startswith(encode_location(1.5, 2.5)[:-1])
    assert json.loads(frame)["rejected"] == [
        {"index": 3, "code": "invalid_location", "message": "lat must be between -90 and 90"}
    ]


# Unknown values as phones send them


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        *(("heading", value, None) for value in (-1, -0.1, -180)),
        *(("heading", value, 0.0) for value in (0, 360, 360.0, -0.0)),
        ("heading", 359.9, 359.9),
        *(("speed", value, None) for value in (-1, -0.1)),
        ("speed", -0.0, 0.0),
        *(("accuracy", value, None) for value in (0, 0.0, -0.0, -1)),
        ("accuracy", 0.5, 0.5),
        *(("battery", value, None) for value in (-1, -0.1, 101, "80", True, {"level": 0.5})),
        *(("charging", value, None) for value in (None, 1, "true")),
        *(("mock", value, False) for value in (None, 1, "true")),
        *(("battery", value, int(value)) for value in (0, -0.0, 55.0, 100)),
    ],
)
def test_a_value_that_the_phone_does_not_know_is_null_and_refuses_no_fix(key, value, kept):
    fix = sent(**{key: value})
    assert repr(getattr(fix, key)) == repr(kept)
    assert fix.latitude == -1.4354


@pytest.mark.parametrize(("key", "unknown"), [("charging", None), ("mock", False)])
def test_what_the_phone_says_about_itself_may_be_left_out_or_null(key, unknown):
    assert getattr(sent(), key) is getattr(sent(**{key: None}), key) is unknown
    assert [getattr(sent(**{key: value}), key) for value in (True, False)] == [True, False]


@pytest.mark.parametrize("zero", [0, "0.0", -0.0, 1e-9])
def test_null_island_with_a_negative_accuracy_is_no_place(zero):
    with pytest.raises(InvalidLocation, match="no place"):
        sent(lat=zero, lon=zero, accuracy=-1)
    assert sent(lat=zero, lon=zero, accuracy=1).latitude == 0
    assert sent(lat=zero, lon=zero).latitude == 0
    assert sent(lat=zero, lon=1, accuracy=-1).accuracy is None


# Refused messages


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recorded_at", "2026-01-31T12:00:00"),
        ("recorded_at", "2026-01-31"),
        ("recorded_at", "yesterday"),
        ("recorded_at", 1769860800),
        ("recorded_at", True),
        ("heading", 360.1),
        ("heading", "90"),
        ("heading", True),
        ("speed", "fast"),
        ("accuracy", [5]),
        ("details", 1),
        ("details", "true"),
        ("details", None),
    ],
)
def test_a_wrong_measurement_is_refused_and_the_refusal_says_what_is_right(key, value):
    decode, message = decode_fix, send
    if key == "details":
        decode, message = decode_watcher_message, start
    with pytest.raises(InvalidMessage, match=f"{key} must be") as refusal:
        decode(json.dumps(message(payload={key: value})))
    assert refusal.value.code == "invalid_message"


def test_a_time_before_the_first_year_is_refused():
    with pytest.raises(InvalidMessage, match="recorded_at must be"):
        sent(recorded_at="0001-01-01T00:00:00+14:00")


@pytest.mark.parametrize("key", ["heading", "speed", "accuracy"])
def test_a_number_beyond_all_numbers_is_refused(key):
    text = json.dumps(send(payload={key: 0})).replace(f'"{key}": 0', f'"{key}": 1e999')
    with pytest.raises(InvalidMessage):
        decode_fix(text)


# Answers


def test_details_add_to_the_contracts_frame():
    fix = fix_of(19, -1.5, accuracy=4.5, heading=0.0)
    frame = encode_details(fix, "live")
    assert frame.startswith(encode_location(fix.latitude, fix.longitude)[:-1])
    assert list(json.loads(frame).items()) == [
        ("location_lat", "1.5"),
        ("location_lon", "2.5"),
        ("userId", 19),
        ("recorded_at", "2026-01-31T11:59:58.500Z"),
        ("received_at", "2026-01-31T11:59:58.500Z"),
        ("heading", 0.0),
        ("speed", None),
        ("accuracy", 4.5),
        ("heard_at", "2026-01-31T11:59:58.500Z"),
        ("clock_offset", None),
        ("status", "live"),
    ]


@pytest.mark.parametrize(
    "rest", [{}, {"accuracy": 1e308, "heading": 359.999, "speed": 5e-324}, {"speed": 1.0}]
)
def test_details_say_the_same_as_text_and_as_a_dictionary(rest):
    fix = fix_of(19, 0.25, **rest)
    decoded = json.loads(encode_details(fix, "stale"))
    assert list(decoded.items()) == list(details(fix, "stale").items())


def test_times_are_rfc_3339_with_milliseconds():
    fix = to_fix(decode_driver_message(json.dumps(send())), 19, datetime(2026, 1, 1, tzinfo=UTC))
    assert details(fix, "live")["recorded_at"] == "2026-01-01T00:00:00.000Z"


def test_driver_without_a_location_is_unknown():
    assert encode_unknown(19) == '{"userId": 19, "status": "unknown"}'


def test_the_warning_gives_the_seconds_until_the_token_expires():
    assert encode_expiry_warning(30) == '{"token_expires_in": 30}'
