"""The messages of the AsyncAPI document. The examples are those of `docs/protocol.md`."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tracking.asyncapi.schemas import Schema, envelope, reference
from tracking.fix import Fix
from tracking.ids import from_plain, to_plain
from tracking.people import USER_IDS
from tracking.protocol import (
    encode_details,
    encode_expiry_warning,
    encode_location,
    encode_state,
    encode_trip,
    encode_unknown,
)
from tracking.protocol.fleet import encode_item, encode_name
from tracking.protocol.frames import Eta, TripContent, TripDriver, TripWaypoint
from tracking.protocol.nearby import encode_cars, encode_id, encode_place

_RECEIVED_AT: Final = datetime(2026, 1, 31, 12, 0, 0, 412_000, tzinfo=UTC)
_DRIVER, _OTHER_DRIVER = map(from_plain, USER_IDS.examples)
_FIX: Final = Fix(
    _DRIVER,
    -2.3123,
    2.4535,
    _RECEIVED_AT.replace(microsecond=0),
    _RECEIVED_AT,
    heading=90.0,
    speed=13.5,
)


def _example(frame: str) -> Schema:
    example: Schema = msgspec.json.decode(frame)
    return example


_POINT: Final = _example(encode_location(_FIX.latitude, _FIX.longitude))
_DETAILS: Final = _example(encode_details(_FIX, "live"))
_ITEM: Final = _example(encode_item(_FIX, "live", encode_name("Ada Baker")))
_TRIP: Final = TripContent(
    id=7,
    reference="T-7",
    status="enroute_to_pickup",
    driver=TripDriver(_DRIVER, "Ada Baker", "white Prius, AB 123"),
    waypoints=[
        TripWaypoint("pickup", -2.3123, 2.4535, "12 Harbour Road"),
        TripWaypoint("dropoff", -2.3301, 2.4702, None),
    ],
    eta=Eta("2026-01-31T12:04:00.000Z", 240, 1600.5, "high", "2026-01-31T12:00:00.000Z"),
    route="_p~iF~ps|U_ulLnnqC",
)
_CAR: Final = encode_id("kT2b9xQ0vJ1m") + encode_place(-2.3119, 2.4551)
_SENT: Final = {"token": "<JWT>", "command": "send", "lat": "-1.4354", "lon": "0.9871"}

# Title, schema of the payload or frame, and examples, in the order in which the channels list them.
_FROM_CLIENTS: Final[dict[str, tuple[str, str, list[Schema]]]] = {
    "send": (
        "Send a location",
        "Send",
        [
            _SENT,
            {
                **_SENT,
                "recorded_at": "2026-01-31T12:00:00Z",
                "heading": 90,
                "speed": 13.5,
                "accuracy": 4.5,
            },
        ],
    ),
    "sendBatch": (
        "Send locations that were measured while offline",
        "SendBatch",
        [
            {
                "token": "<JWT>",
                "command": "send_batch",
                "fixes": [
                    {"lat": "-1.4354", "lon": "0.9871", "recorded_at": "2026-01-31T11:59:50Z"},
                    {"lat": "-1.4355", "lon": "0.9872", "recorded_at": "2026-01-31T11:59:55Z"},
                ],
            }
        ],
    ),
    "setState": (
        "Begin or end a shift",
        "SetState",
        [{"token": "<JWT>", "command": "state", "state": "available"}],
    ),
    "start": (
        "Start streaming",
        "Start",
        [
            {"token": "<JWT>", "command": "start"},
            {"token": "<JWT>", "command": "start", "details": True},
        ],
    ),
    "startFleet": (
        "Start streaming the fleet, or change the area",
        "FleetStart",
        [{"token": "<JWT>", "command": "start", "bbox": [2.2, -2.6, 2.6, -2.1]}],
    ),
    "startNearby": (
        "Start streaming the cars near a place, or move the place",
        "NearbyStart",
        [{"token": "<JWT>", "command": "start", "lat": "-2.3123", "lon": "2.4535"}],
    ),
    "stop": ("Stop streaming", "Stop", [{"command": "stop"}]),
}
_FROM_THE_SERVER: Final[dict[str, tuple[str, str, list[Schema]]]] = {
    "location": ("A location", "Location", [_POINT]),
    "batchAcknowledgement": ("A partly accepted batch", "BatchAcknowledgement", []),
    "details": ("A location with details", "Details", [_DETAILS]),
    "unknown": ("No location yet", "Unknown", [_example(encode_unknown(_DRIVER))]),
    "state": ("The driver's state", "StateSet", [_example(encode_state("available"))]),
    "trip": ("The trip", "TripFrame", [_example(encode_trip(_TRIP))]),
    "cars": ("Free cars", "NearbyCars", [_example(encode_cars([_CAR]))]),
    "snapshot": (
        "All drivers in the area",
        "Snapshot",
        [{"snapshot": [_ITEM], "counts": {"live": 1, "stale": 0, "offline": 2}}],
    ),
    "update": (
        "Changes in the area",
        "Update",
        [
            {
                "update": [{**_ITEM, "location_lat": "-2.3125"}],
                "remove": [to_plain(_OTHER_DRIVER)],
                "counts": {"live": 2, "stale": 0, "offline": 2},
            }
        ],
    ),
    "expiryWarning": ("The token expires", "ExpiryWarning", [_example(encode_expiry_warning(30))]),
    "error": (
        "An error",
        "Error",
        [{"error": {"code": "invalid_location", "message": "lat must be between -90 and 90"}}],
    ),
}


def messages() -> dict[str, Any]:
    """Return all messages by name."""
    from_clients = {
        name: _message(
            title,
            envelope(payload),
            [{"type": "authenticate", "payload": example} for example in examples],
        )
        for name, (title, payload, examples) in _FROM_CLIENTS.items()
    }
    from_the_server = {
        name: _message(title, reference(frame), examples)
        for name, (title, frame, examples) in _FROM_THE_SERVER.items()
    }
    return from_clients | from_the_server


def _message(title: str, payload: Schema, examples: list[Schema]) -> dict[str, Any]:
    return {
        "title": title,
        "contentType": "application/json",
        "payload": payload,
        "examples": [{"payload": example} for example in examples],
    }
