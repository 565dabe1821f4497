import json
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking import protocol
from tracking.protocol import (
    CloseCode,
    InvalidLocation,
    InvalidMessage,
    InvalidUserId,
    degrees,
    encode_details,
    encode_error,
    encode_location,
    format_degrees,
    frames,
    parse_driver_id,
)
from tracking.protocol.fleet import encode_batch, encode_item, encode_name
from tracking.status import Status

from ..fakes import NOON, fix_of

# Canonical numbers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("-0.00000001", "0"),
        ("-0.0000001", "-0.0000001"),
        ("0.0000001", "0.0000001"),
        ("1e-7", "0.0000001"),
        ("10", "10"),
        ("100", "100"),
        ("-180", "-180"),
        ("179.99999999", "180"),
        ("-1.4354", "-1.4354"),
        ("0.98710", "0.9871"),
        ("1.5e2", "150"),
    ],
)
def test_numbers_are_canonical(value, expected):
    assert format_degrees(degrees("lon", value, 180)) == expected


@given(st.floats(-180, 180))
def test_canonical_numbers_have_no_exponent_no_trailing_zeros_and_no_negative_zero(value):
    text = format_degrees(degrees("lon", value, 180))
    assert set(text) <= set("-.0123456789")
    assert text != "-0"
    assert "." not in text or text[-1] not in "0."


@given(st.floats(-180, 180) | st.decimals(-180, 180, places=9).map(str))
def test_a_canonical_number_read_again_stays_what_it_is(value):
    kept = degrees("lon", value, 180)
    text = format_degrees(kept)
    assert degrees("lon", text, 180) == kept
    assert format_degrees(degrees("lon", text, 180)) == text


@given(st.floats(-180, 180))
def test_degrees_move_by_no_more_than_half_of_the_seventh_decimal(value):
    assert abs(degrees("lon", value, 180) - value) <= 0.5e-7 + 1e-13


@given(st.floats(-90, 90))
def test_degrees_survive_the_trip_through_json(value):
    kept = degrees("lat", value, 90)
    assert msgspec.json.decode(msgspec.json.encode(kept)) == kept


def test_location_frame_has_two_strings_in_the_contracts_order():
    assert encode_location(-2.3123, 2.4535) == (
        '{"location_lat": "-2.3123", "location_lon": "2.4535"}'
    )


def test_frames_know_the_statuses_that_a_location_has():
    assert list(frames.Counts.__struct_fields__) == Status.values


@pytest.mark.parametrize("status", [*Status, *Status.values])
def test_a_status_goes_out_as_its_value(status):
    assert json.loads(encode_details(fix_of(19), status))["status"] == str(status)


FULL = fix_of(
    19,
    2.0,
    heading=359.25,
    speed=0.0,
    accuracy=4.5,
    heard_at=NOON + timedelta(seconds=7),
    clock_offset=-3.5,
)


@pytest.mark.parametrize("fix", [fix_of(19), FULL])
def test_details_keep_their_bytes(fix):
    """A blank follows each colon and comma, as the standard library's encoder writes."""
    frame = encode_details(fix, "live")
    assert frame == json.dumps(json.loads(frame))
    item = encode_item(fix, "live", encode_name("Zoë"))
    assert item == frame[:-1] + ', "name": "Zo\\u00eb"}'
    batch = encode_batch("update", [item, item], [3, 4], {"live": 2, "stale": 0, "offline": 1})
    assert batch == json.dumps(json.loads(batch))


# The handshake's query string


@pytest.mark.parametrize(
    ("query", "driver_id"),
    [
        (b"userId=19", 19),
        (b"userId=1", 1),
        (b"userId=9223372036854775807", 2**63 - 1),
        (b"a=1&userId=19&b=2", 19),
        (b"userId=%31%39", 19),
        (b"userid=7&userId=19", 19),
    ],
)
def test_driver_id_is_read_from_the_query_string(query, driver_id):
    assert parse_driver_id(query) == driver_id


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"userId",
        b"userId=",
        b"userid=19",
        b"userId=19&userId=19",
        b"userId=19&userId=",
        b"userId=19&userId",
        b"userId=0",
        b"userId=-19",
        b"userId=+19",
        b"userId=%2B19",
        b"userId= 19",
        b"userId=19+",
        b"userId=19%20",
        b"userId=19%0A",
        b"userId=19%00",
        b"userId=1_9",
        b"userId=19.0",
        b"userId=1e1",
        b"userId=0x13",
        b"userId=nineteen",
        b"userId=null",
        b"userId=9223372036854775808",
        b"userId=" + b"9" * 100_000,
        b"userId=%D9%A1%D9%A9",
        b"userId=\xd9\xa1",
        b"userId=\xb9",
        b"userId=\xff",
        b"userId=%FF",
        b"userId[]=19",
        b"userId=19;userId=20",
    ],
)
def test_anything_but_one_positive_integer_is_an_invalid_user_id(query):
    with pytest.raises(InvalidUserId) as refusal:
        parse_driver_id(query)
    assert (refusal.value.code, refusal.value.close_code) == ("invalid_user_id", 4400)


@given(st.binary() | st.binary().map(b"userId=".__add__))
def test_no_query_string_raises_anything_but_the_projects_error(query):
    try:
        driver_id = parse_driver_id(query)
    except InvalidUserId:
        return
    assert 0 < driver_id < 2**63


# Errors and close codes


@pytest.mark.parametrize(
    ("error", "code", "close_code"),
    [
        (InvalidMessage, "invalid_message", None),
        (InvalidLocation, "invalid_location", None),
        (InvalidUserId, "invalid_user_id", 4400),
        (protocol.TokenInvalid, "token_invalid", 4401),
        (protocol.TokenExpired, "token_expired", 4401),
        (protocol.Forbidden, "forbidden", 4403),
        (protocol.AuthenticationTimeout, "authentication_timeout", 4408),
    ],
)
def test_every_error_has_the_contracts_code_and_consequence(error, code, close_code):
    frame = json.loads(encode_error(error()))
    assert list(frame) == ["error"]
    assert list(frame["error"]) == ["code", "message"]
    assert frame["error"]["code"] == code
    assert frame["error"]["message"]
    assert error.close_code == close_code


def test_an_errors_own_message_replaces_the_default():
    frame = json.loads(encode_error(InvalidLocation("lat must be between -90 and 90")))
    assert frame == {
        "error": {"code": "invalid_location", "message": "lat must be between -90 and 90"}
    }


def test_close_codes_of_the_project_lie_in_the_range_for_private_use():
    assert all(code in (1009, 1011, 1012, 1013) or 4000 <= code <= 4999 for code in CloseCode)
