"""Readings of phone apps, converted to measurements in the protocol's units."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from tracking.phones import osmand, owntracks, readings
from tracking.protocol import InvalidLocation, InvalidMessage, Measurement

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EPOCH = 1769860800  # noon

# A message of OwnTracks for Android.
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
# A message of OwnTracks for iOS: -1 stands for an unknown value.
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
# A message of Traccar Client 9, in its location library's format.
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
# A message of Traccar Client 8.
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
    (read_message,) = osmand.parse(QueryDict(""), json.dumps(message).encode()).messages
    return read_message()


def test_owntracks_on_android_is_read_in_km_per_hour():
    assert from_owntracks() == Measurement(
        -1.4354, 0.9871, NOON, 271, 10, 12, NOON + timedelta(seconds=2), 77, charging=False
    )


@pytest.mark.parametrize("created_at", [None, "soon", [], 1e18, -1e18, True])
def test_owntracks_invalid_time_of_a_message_refuses_no_fix(created_at):
    found = from_owntracks(created_at=created_at)
    assert (found.lat, found.recorded_at) == (-1.4354, NOON)


def test_owntracks_on_ios_says_minus_one_for_what_it_does_not_know():
    found = owntracks.parse(json.dumps(OWNTRACKS_IOS).encode())
    assert found == Measurement(-1.4354, 0.9871, NOON, None, None, 65, battery=50)


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
        {"_type": "steps", "lat": "none"},
    ],
    ids=lambda message: message["_type"],
)
def test_owntracks_other_messages_are_no_measurement(message):
    assert owntracks.parse(json.dumps(message).encode()) is None


def test_owntracks_encrypted_message_is_refused():
    with pytest.raises(owntracks.Encrypted, match="secret encryption key"):
        owntracks.parse(b'{"_type": "encrypted", "data": "b64"}')


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
def test_owntracks_impossible_location_is_invalid(change, error):
    with pytest.raises(error):
        from_owntracks(**change)


def test_traccar_parameters_are_read_in_knots():
    found = from_query()
    assert (found.lat, found.lon, found.recorded_at) == ("-1.4354", "0.9871", NOON)
    assert (found.heading, found.accuracy) == (359.9, 4.8)
    assert found.speed == pytest.approx(10)


def test_traccar_json_is_read_in_metres_per_second():
    assert from_json() == Measurement(
        -1.4354,
        0.9871,
        NOON.replace(microsecond=250_000),
        359.9,
        10.25,
        4.8,
        battery=77,
        charging=False,
    )


def test_traccar_says_how_the_phone_is():
    found = from_query(charge="true", mock="false")
    assert (found.battery, found.charging, found.mock) == (77, True, False)
    found = from_json({"battery": {"level": 0.5, "is_charging": True}, "mock": True})
    assert (found.battery, found.charging, found.mock) == (50, True, True)


@pytest.mark.parametrize("state", [1, 2, 3, 0, "2", None])
def test_owntracks_says_whether_the_phone_is_charging(state):
    expected = {1: False, 2: True, 3: True}.get(state)
    assert from_owntracks(bs=state).charging is expected


@pytest.mark.parametrize("nonsense", [-1, 101, "n/a", "nan", True, [80], {"level": 1}])
def test_a_battery_that_makes_no_sense_refuses_no_fix(nonsense):
    for found in (
        from_owntracks(batt=nonsense, bs=nonsense),
        from_query(batt=str(nonsense), charge=str(nonsense), mock=str(nonsense)),
        from_json({"battery": {"level": nonsense, "is_charging": nonsense}, "mock": nonsense}),
        from_json({"battery": nonsense}),
    ):
        assert float(found.lat) == -1.4354
        assert found.battery is None or found.battery in (1, 100)


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
        (f"{EPOCH}.25", NOON.replace(microsecond=250_000)),
        (f"{EPOCH}250.0", NOON.replace(microsecond=250_000)),
        # An unescaped plus of an offset is a space in a query.
        ("2026-01-31T13:00:00 01:00", NOON),
        ("2026-01-31T13:00:00.000 0100", NOON),
        ("2026-01-31 17:30:00 05:30", NOON),
        ("2026-01-31T13:00 01", NOON),
        ("2026-01-31T13:00:00+0100", NOON),
        ("2026-01-31T02:00:00-10:00", NOON),
    ],
)
def test_traccar_times_are_seconds_milliseconds_or_iso_8601(timestamp, recorded_at):
    assert from_query(timestamp=timestamp).recorded_at == recorded_at
    assert from_json({"timestamp": timestamp}).recorded_at == recorded_at


def test_traccar_time_may_be_a_number_in_json_and_may_be_missing():
    assert from_json({"timestamp": EPOCH * 1000}).recorded_at == NOON
    assert from_json({"timestamp": None}).recorded_at is None
    assert from_query(timestamp="").recorded_at is None


@pytest.mark.parametrize(
    "timestamp",
    ["soon", "2026-13-01T00:00:00Z", "9" * 17, "1e9", "nan", "1.2.3", "0001-01-01T00:00:00 14:00"],
)
def test_traccar_impossible_time_is_invalid(timestamp):
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


def test_traccar_impossible_number_is_invalid():
    with pytest.raises(InvalidMessage, match="speed must be a number"):
        from_query(speed="fast")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[", b"[7]", b'{"device_id": "x", "location": {"coords": 7}}'],
)
def test_traccar_body_that_is_no_message_is_invalid(body):
    (read_message,) = osmand.parse(QueryDict(""), body).messages
    with pytest.raises(InvalidMessage):
        read_message()


# Messages without a place: the phone counts as heard


def read(query="", body=b""):
    sent = osmand.parse(QueryDict(query), body if isinstance(body, bytes) else body.encode())
    return sent.token, readings.report(sent.messages)


@pytest.mark.parametrize(
    "rest", ["", "&batt=77", "&alarm=sos", "&cell=310,410,1,2,3", "&lat=&lon="]
)
def test_traccar_message_without_a_place_says_that_the_phone_is_alive(rest):
    assert read(f"id=x&timestamp={EPOCH}{rest}") == ("x", ([], []))
    assert read("", f"id=x&timestamp={EPOCH}{rest}") == ("x", ([], []))


def test_traccar_json_without_a_place_says_that_the_phone_is_alive():
    for body in (
        f'[{{"id": "x", "timestamp": {EPOCH}, "alarm": "sos", "batt": 50}}]',
        f'{{"id": "x", "timestamp": {EPOCH}}}',
        '{"device_id": "x", "location": {"event": "heartbeat", "coords": {}}}',
        "[]",
    ):
        assert read("id=x", body) == ("x", ([], []))


@pytest.mark.parametrize(("lat", "lon"), [(0, 0), ("0.0", "-0.0"), (0.0, "0")])
def test_null_island_with_a_negative_accuracy_is_no_place(lat, lon):
    assert from_query(lat=str(lat), lon=str(lon), accuracy="-1") is None
    assert from_query(lat=str(lat), lon=str(lon), accuracy="5").lat == str(lat)
    assert from_json(latitude=float(lat), longitude=float(lon), accuracy=-1) is None
    assert from_owntracks(lat=float(lat), lon=float(lon), acc=-1) is None


# Parameters in URL and body


def test_parameters_may_be_in_the_url_and_in_the_body():
    whole = urlencode(TRACCAR_QUERY)
    for names in (["id"], ["lat", "lon"], ["timestamp", "speed"], list(TRACCAR_QUERY)):
        url = urlencode({name: TRACCAR_QUERY[name] for name in names})
        body = urlencode({name: TRACCAR_QUERY[name] for name in TRACCAR_QUERY if name not in names})
        assert read(url, body) == read(whole)
    token, report = read("id=trk_abc", '{"lat": -1.4354, "lon": 0.9871, "accuracy": 4.8}')
    assert token == "trk_abc"
    assert report.measurements == [Measurement("-1.4354", "0.9871", accuracy=4.8)]


# Lists


def item(**changes):
    """Return a fix as version 10 of Traccar Client writes it in JSON."""
    fix = {"id": "trk_abc", "timestamp": EPOCH, "lat": 1.5, "lon": 2.5, "speed": 19.44, "batt": 77}
    return {name: value for name, value in (fix | changes).items() if value is not None}


def test_traccar_json_list_is_read_fix_by_fix():
    items = [
        item(),
        item(lat=91),
        item(lat=None, lon=None),
        item(speed=-1, accuracy=0, bearing=360),
    ]
    token, report = read("", json.dumps([*items, item(lat="north"), 7, item(id="another")]))
    assert token == "trk_abc"
    first, second = report.measurements
    assert (first.lat, first.recorded_at, first.speed) == ("1.5", NOON, pytest.approx(10, abs=0.01))
    assert (second.speed, second.accuracy, second.heading) == (None, None, 0)
    assert [(verdict.index, verdict.code) for verdict in report.rejected] == [
        (1, "invalid_location"),
        (4, "invalid_location"),
        (5, "invalid_message"),
        (6, "invalid_message"),
    ]


def test_number_beyond_all_numbers_spoils_its_own_fix_alone():
    text = json.dumps([item(), item(lat=7), item(speed=7)]).replace(" 7,", " 1e999,")
    _, report = read("", text)
    assert [measured.speed is None for measured in report.measurements] == [False, True]
    assert [(verdict.index, verdict.code) for verdict in report.rejected] == [
        (1, "invalid_location")
    ]


def test_list_of_version_nine_is_read_location_by_location():
    good = TRACCAR_JSON["location"]
    bad = good | {"coords": {"latitude": "north", "longitude": 1}}
    token, report = read("", json.dumps({"device_id": "x", "location": [bad, good, {}]}))
    assert (token, len(report.measurements)) == ("x", 1)
    assert [(verdict.index, verdict.code) for verdict in report.rejected] == [
        (0, "invalid_location")
    ]


@pytest.mark.parametrize(
    "body", ["[", "{", "[1", '{"id": "x"', "{}}", "[" * 10_000, '{"a":' * 9000]
)
def test_unreadable_body_is_one_bad_message_of_the_device_in_the_url(body):
    token, report = read("id=trk_abc", body)
    assert (token, report.measurements) == ("trk_abc", [])
    assert [verdict.code for verdict in report.rejected] == ["invalid_message"]


def test_request_with_more_messages_than_any_app_sends_is_one_bad_message():
    for body in (
        "[" + ",".join(["1"] * 1001) + "]",
        '{"location": [' + ",".join(["{}"] * 1001) + "]}",
    ):
        token, report = read("id=x", body)
        assert (token, report.measurements) == ("x", [])
        assert [verdict.code for verdict in report.rejected] == ["invalid_message"]
    assert len(read("", json.dumps([item()] * 1000))[1].measurements) == 1000


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text() | st.sampled_from(["id", "lat", "lon", "location", "coords"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises_anything(body):
    read("id=x", body)
