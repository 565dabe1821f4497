"""What apps on phones send becomes a measurement in our units, or none."""

import json
from datetime import UTC, datetime

import pytest

from tracking.phones import osmand, owntracks
from tracking.protocol import InvalidLocation, InvalidMessage, Measurement

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EPOCH = 1769860800  # noon

# As OwnTracks for Android posts it.
OWNTRACKS_ANDROID = {
    "_type": "location",
    "BSSID": "02:00:00:00:00:00",
    "SSID": "depot",
    "_id": "f3b1c2d4",
    "acc": 12,
    "alt": 123,
    "batt": 77,
    "bs": 1,
    "cog": 271,
    "conn": "m",
    "created_at": EPOCH + 2,
    "lat": -1.4354,
    "lon": 0.9871,
    "m": 1,
    "t": "u",
    "tid": "ma",
    "topic": "owntracks/mary/phone",
    "tst": EPOCH,
    "vac": 3,
    "vel": 36,
}
# As OwnTracks for iOS does: -1 is what it does not know.
OWNTRACKS_IOS = {
    "_type": "location",
    "acc": 65,
    "alt": 20,
    "batt": 50,
    "cog": -1,
    "conn": "w",
    "lat": -1.4354,
    "lon": 0.9871,
    "p": 101.3,
    "tid": "ma",
    "tst": EPOCH,
    "vac": 10,
    "vel": -1,
}
# As Traccar Client 9 does, by its location library.
TRACCAR_JSON = {
    "location": {
        "event": "motionchange",
        "is_moving": True,
        "uuid": "b7f2b7f0-6a53-4f1e-a0c4-6f7e0a4e6a9b",
        "timestamp": "2026-01-31T12:00:00.250Z",
        "odometer": 1024.5,
        "coords": {
            "latitude": -1.4354,
            "longitude": 0.9871,
            "accuracy": 4.8,
            "speed": 10.25,
            "speed_accuracy": 1.5,
            "heading": 359.9,
            "heading_accuracy": 45,
            "altitude": 12.3,
            "altitude_accuracy": 2,
            "ellipsoidal_altitude": 12.3,
        },
        "activity": {"type": "in_vehicle", "confidence": 100},
        "battery": {"level": 0.77, "is_charging": False},
        "extras": {},
    },
    "device_id": "trk_abc",
}
# As Traccar Client 8 does.
TRACCAR_QUERY = {
    "id": "trk_abc",
    "timestamp": str(EPOCH),
    "lat": "-1.4354",
    "lon": "0.9871",
    "speed": "19.438444924406",
    "bearing": "359.9",
    "altitude": "12.3",
    "accuracy": "4.8",
    "batt": "77.0",
}


def from_owntracks(**changes):
    return owntracks.parse(json.dumps(OWNTRACKS_ANDROID | changes).encode())


def from_query(**changes):
    return osmand.parse_parameters(TRACCAR_QUERY | changes).measurement


def from_json(location=None, **coords):
    message = json.loads(json.dumps(TRACCAR_JSON))
    message["location"] |= location or {}
    message["location"]["coords"] |= coords
    return osmand.parse_json(json.dumps(message).encode()).measurement


def test_owntracks_on_android_is_read_in_km_per_hour():
    assert from_owntracks() == Measurement(-1.4354, 0.9871, NOON, 271, 10, 12)


def test_owntracks_on_ios_says_minus_one_for_what_it_does_not_know():
    found = owntracks.parse(json.dumps(OWNTRACKS_IOS).encode())
    assert found == Measurement(-1.4354, 0.9871, NOON, None, None, 65)


def test_owntracks_says_no_more_than_it_knows():
    body = b'{"_type":"location","lat":48.85833,"lon":2.29513,"tst":1769860800,"tid":"JJ"}'
    assert owntracks.parse(body) == Measurement(48.85833, 2.29513, NOON)


@pytest.mark.parametrize(
    "message",
    [
        {"_type": "transition", "acc": 10, "event": "enter", "lat": 1, "lon": 2, "tst": EPOCH},
        {"_type": "waypoint", "desc": "Depot", "lat": 1, "lon": 2, "rad": 50, "tst": EPOCH},
        {"_type": "waypoints", "waypoints": [], "_creator": "mary"},
        {"_type": "lwt", "tst": EPOCH},
        {"_type": "status", "iOS": {"version": "18"}},
        {"_type": "card", "name": "Mary", "tid": "ma"},
        {"_type": "encrypted", "data": "b64"},
        {"_type": "steps", "lat": "none"},
    ],
    ids=lambda message: message["_type"],
)
def test_owntracks_other_messages_are_no_measurement(message):
    assert owntracks.parse(json.dumps(message).encode()) is None


def test_owntracks_empty_message_is_no_measurement():
    assert owntracks.parse(b"") is None


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"{", b'{"_type": 7}', b"\xff"])
def test_owntracks_body_that_is_no_message_is_invalid(body):
    with pytest.raises(InvalidMessage):
        owntracks.parse(body)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"lat": "north"}, InvalidLocation),
        ({"tst": "now"}, InvalidMessage),
        ({"tst": 1e18}, InvalidMessage),
        ({"tst": -1e18}, InvalidMessage),
        ({"vel": "fast"}, InvalidMessage),
    ],
)
def test_owntracks_location_that_cannot_be_is_invalid(change, error):
    with pytest.raises(error):
        from_owntracks(**change)


def test_traccar_parameters_are_read_in_knots():
    found = from_query()
    assert (found.lat, found.lon, found.recorded_at) == ("-1.4354", "0.9871", NOON)
    assert (found.heading, found.accuracy) == (359.9, 4.8)
    assert found.speed == pytest.approx(10)


def test_traccar_json_is_read_in_metres_per_second():
    assert from_json() == Measurement(
        -1.4354, 0.9871, NOON.replace(microsecond=250_000), 359.9, 10.25, 4.8
    )


@pytest.mark.parametrize(
    ("timestamp", "recorded_at"),
    [
        (str(EPOCH), NOON),
        (str(EPOCH * 1000), NOON),
        (str(EPOCH * 1000 + 250), NOON.replace(microsecond=250_000)),
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T13:00:00.000+01:00", NOON),
        ("2026-01-31 12:00:00", NOON),
        ("4102444800", datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
def test_traccar_times_are_seconds_milliseconds_or_iso_8601(timestamp, recorded_at):
    assert from_query(timestamp=timestamp).recorded_at == recorded_at
    assert from_json({"timestamp": timestamp}).recorded_at == recorded_at


def test_traccar_time_may_be_a_number_in_json_and_may_be_missing():
    assert from_json({"timestamp": EPOCH * 1000}).recorded_at == NOON
    assert from_json({"timestamp": None}).recorded_at is None
    assert from_query(timestamp="").recorded_at is None


@pytest.mark.parametrize("timestamp", ["soon", "2026-13-01T00:00:00Z", "9" * 17, "1e9", "nan"])
def test_traccar_time_that_cannot_be_is_invalid(timestamp):
    for parse in (
        lambda: from_query(timestamp=timestamp),
        lambda: from_json({"timestamp": timestamp}),
    ):
        with pytest.raises(InvalidMessage) as caught:
            parse()
        assert timestamp not in str(caught.value)


@pytest.mark.parametrize("unknown", ["-1", "-1.0", "nan", "", "inf"])
def test_traccar_unknown_speed_and_bearing_are_none(unknown):
    found = from_query(speed=unknown, bearing=unknown, accuracy=unknown)
    assert (found.speed, found.heading, found.accuracy) == (None, None, None)


def test_traccar_json_unknown_speed_and_heading_are_none():
    found = from_json(speed=-1, heading=-1, accuracy=-1)
    assert (found.speed, found.heading, found.accuracy) == (None, None, None)
    found = from_json(speed=None, heading=None, accuracy=0)
    assert (found.speed, found.heading, found.accuracy) == (None, None, None)


def test_full_circle_is_north():
    assert from_owntracks(cog=360).heading == 0
    assert from_query(bearing="360.0").heading == 0
    assert from_json(heading=360).heading == 0


def test_standing_still_is_a_speed():
    assert from_owntracks(vel=0).speed == 0


def test_traccar_parameters_have_two_names():
    report = osmand.parse_parameters({"deviceid": "trk_x", "location": "1.5,2.5", "heading": "9"})
    assert report == ("trk_x", Measurement("1.5", "2.5", None, 9))


@pytest.mark.parametrize("value", ["false", "0", "False"])
def test_traccar_fix_that_calls_itself_invalid_is_no_measurement(value):
    assert from_query(valid=value) is None


def test_traccar_number_that_cannot_be_is_invalid():
    with pytest.raises(InvalidMessage, match="speed must be a number"):
        from_query(speed="fast")


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"location": {}}', b'{"device_id": "x"}', b'{"device_id": 7, "location": {}}', b"{"],
)
def test_traccar_body_that_is_no_message_is_invalid(body):
    with pytest.raises(InvalidMessage):
        osmand.parse_json(body)
