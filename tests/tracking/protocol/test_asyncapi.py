"""The AsyncAPI document: current, valid, and consistent with the code and the prose document."""

import json
import re
from io import StringIO
from itertools import chain

import msgspec
import pytest
from django.core.management import call_command

from tests.documents import ASYNCAPI, asyncapi, error_table, errors_of, examples, fitting, resolve
from tracking.protocol import (
    CloseCode,
    InvalidMessage,
    OverCapacity,
    SetState,
    Verdict,
    decode_driver_message,
    decode_watcher_message,
    encode_details,
    encode_error,
    encode_expiry_warning,
    encode_location,
    encode_state,
    encode_trip,
    encode_unknown,
    encode_verdicts,
    to_fix,
)
from tracking.protocol.fleet import (
    decode_fleet_message,
    encode_batch,
    encode_item,
    encode_name,
)
from tracking.protocol.frames import TripContent, TripDriver, TripWaypoint
from tracking.protocol.nearby import decode_nearby_message, encode_cars, encode_id, encode_place

from ..fakes import NOON, fix_of

DECODERS = {
    "setTracking": decode_driver_message,
    "getTracking": decode_watcher_message,
    "getTrip": decode_watcher_message,
    "getNearby": decode_nearby_message,
    "getFleet": decode_fleet_message,
}
MESSAGES = asyncapi()["components"]["messages"]
EXAMPLES = [
    (name, example["payload"])
    for name, message in MESSAGES.items()
    for example in message["examples"]
]


def test_the_document_that_is_kept_is_current():
    output = StringIO()
    call_command("tracking_asyncapi", stdout=output)
    assert output.getvalue() == ASYNCAPI.read_text(), (
        "run: python manage.py tracking_asyncapi > docs/asyncapi.json"
    )


def test_every_reference_leads_somewhere():
    references = re.findall(r'"\$ref": "([^"]*)"', ASYNCAPI.read_text())
    assert len(references) > 50
    for reference in references:
        resolve(reference)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_such_a_message(name, example):
    assert errors_of(name, example) == []


def test_the_examples_are_those_of_the_document_in_words():
    def texts(values):
        return sorted(map(json.dumps, values))

    assert texts(example for _, example in EXAMPLES) == texts(
        example.value for example in examples()
    )


# Messages of clients


def sent(payload):
    return {"type": "authenticate", "payload": {"token": "t", **payload}}


def is_accepted(channel, message):
    """Return whether the server accepts a message on that channel, coordinates included."""
    try:
        payload = DECODERS[channel](json.dumps(message))
        if channel == "setTracking" and not isinstance(payload, SetState):
            for measurement in getattr(payload, "fixes", [payload]):
                to_fix(measurement, 19, NOON)
    except InvalidMessage:
        return False
    return True


FIX = {"lat": 1, "lon": "2"}
SEND = {"command": "send", **FIX}


@pytest.mark.parametrize("channel", DECODERS)
@pytest.mark.parametrize(
    "message",
    [
        *(sent(SEND | {key: value}) for key in ("lat", "lon") for value in (91, -181, "3", None)),
        *(sent(SEND | {"heading": value}) for value in (0, 359.9, 360, -1, "90", None)),
        *(sent(SEND | {"speed": value}) for value in (0, 1e3, -0.1, True)),
        *(sent(SEND | {"accuracy": value}) for value in (0.1, 0, [4])),
        *(sent({"command": "send_batch", "fixes": fixes}) for fixes in ([], [FIX], [FIX] * 101)),
        sent({"command": "send_batch", "fixes": [{"lat": 1}]}),
        sent({"command": "send_batch"}),
        sent({"command": "send"}),
        *(sent({"command": "start", "details": value}) for value in (True, False, None, "yes")),
        *(sent({"command": "start", "bbox": bbox}) for bbox in (None, [1, 2, 3, 4], [1, 2, 3])),
        sent({"command": "start", "bbox": [1, 2, 3, 91]}),
        sent({"command": "start", "token": None}),
        *(sent({"command": "start", "lat": lat, "lon": 2}) for lat in (1, "-1.5", 91, None)),
        sent({"command": "stop"}),
        *(sent({"command": "state", "state": state}) for state in ("available", "reserved", None)),
        sent({"command": "state"}),
        sent({"command": "restart"}),
        sent({}),
        {**sent(SEND), "type": "update"},
        {**sent(SEND), "further": "keys"},
        {"type": "authenticate"},
        [],
    ],
    ids=json.dumps,
)
def test_the_document_takes_what_the_server_takes(channel, message):
    assert len(fitting(channel, "receive", message)) == is_accepted(channel, message)


# Frames of the server

FIX_WITH_ALL = fix_of(19, heading=0.5, speed=0.0, accuracy=4.5)
ITEMS = [encode_item(fix_of(19), "stale", encode_name(name)) for name in ("Zoë", None)]
COUNTS = {"live": 1, "stale": 0, "offline": 2}
TRIP = TripContent(
    id=7,
    reference="",
    status="new",
    driver=TripDriver(19, None, ""),
    waypoints=[TripWaypoint("pickup", -90, 180, None)],
    eta=None,
    route=None,
)
FRAMES = [
    ("location", encode_location(-1.4354, 0.9871)),
    ("location", encode_location(-90.0, 180.0)),
    ("location", encode_location(0.0, 1e-7)),
    ("details", encode_details(fix_of(19), "offline")),
    ("details", encode_details(FIX_WITH_ALL, "live")),
    ("batchAcknowledgement", encode_verdicts(1.5, 2.5, [Verdict(0, "invalid_message", "no")])),
    ("unknown", encode_unknown(19)),
    ("cars", encode_cars([])),
    ("cars", encode_cars([encode_id("a-b_c") + encode_place(-1.43, 0.98714)] * 2)),
    ("state", encode_state("non_operational")),
    ("trip", encode_trip(TRIP)),
    ("trip", encode_trip(msgspec.structs.replace(TRIP, driver=None, waypoints=[]))),
    ("expiryWarning", encode_expiry_warning(30)),
    ("error", encode_error(OverCapacity())),
    ("error", encode_error(InvalidMessage("no “such” thing"))),
    ("snapshot", encode_batch("snapshot", [], [], COUNTS)),
    ("snapshot", encode_batch("snapshot", ITEMS[:1], [20], COUNTS)),
    ("snapshot", encode_batch("snapshot", ITEMS, [], COUNTS, more=True)),
    ("update", encode_batch("update", [], [], None)),
    ("update", encode_batch("update", ITEMS, [], None, more=True)),
    ("update", encode_batch("update", ITEMS, [19, 20], COUNTS)),
]


@pytest.mark.parametrize(("name", "frame"), FRAMES)
def test_a_frame_is_as_the_document_says(name, frame):
    value = json.loads(frame)
    channels = [
        channel
        for channel, content in asyncapi()["channels"].items()
        if name in content["messages"]
    ]
    assert channels
    for channel in channels:
        assert fitting(channel, "send", value) == [name]
    properties = resolve(MESSAGES[name]["payload"]["$ref"])["properties"]
    assert [key for key in properties if key in value] == list(value)


def test_every_frame_is_tried():
    sent_by_server = chain.from_iterable(
        operation["messages"]
        for operation in asyncapi()["operations"].values()
        if operation["action"] == "send"
    )
    names = {message["$ref"].rpartition("/")[2] for message in sent_by_server}
    assert names == {name for name, _ in FRAMES}


# Errors and close codes


def test_the_words_and_the_code_name_the_same_errors():
    words = [code for code, _, _ in error_table() if code != "(none)"]
    assert words == [error["code"] for error in asyncapi()["x-errors"]]


def test_the_words_and_the_code_name_the_same_close_codes():
    then = " ".join(then for _, _, then in error_table())
    assert {int(code) for code in re.findall("[0-9]{4}", then)} == set(CloseCode)
    assert [close["code"] for close in asyncapi()["x-closeCodes"]] == list(CloseCode)


def test_an_error_that_ends_the_connection_does_so_as_the_words_say():
    ends = {code: then for code, _, then in error_table()}
    for error in asyncapi()["x-errors"]:
        if error["closeCode"] is not None:
            assert ends[error["code"]] == f"close {error['closeCode']}"
        else:
            assert not ends[error["code"]].startswith("close")
