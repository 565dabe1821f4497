"""The document's messages: the examples are those of `docs/protocol.md`."""

from typing import Any, Final

from tracking.asyncapi.schemas import Schema, envelope, reference

_POINT: Final = {"location_lat": "-2.3123", "location_lon": "2.4535"}
_DETAILS: Final = {
    **_POINT,
    "userId": 19,
    "recorded_at": "2026-01-31T12:00:00.000Z",
    "received_at": "2026-01-31T12:00:00.412Z",
    "heading": 90.0,
    "speed": 13.5,
    "accuracy": None,
    "heard_at": "2026-01-31T12:00:00.412Z",
    "clock_offset": None,
    "status": "live",
}
_ITEM: Final = {**_DETAILS, "name": "Ada Baker"}
_SENT: Final = {"token": "<JWT>", "command": "send", "lat": "-1.4354", "lon": "0.9871"}

# Title, the payload's or the frame's schema, examples of it; in the order of the channels' use.
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
        "Send what was measured while offline",
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
    "start": (
        "Start streaming a driver",
        "Start",
        [
            {"token": "<JWT>", "command": "start"},
            {"token": "<JWT>", "command": "start", "details": True},
        ],
    ),
    "startFleet": (
        "Start streaming the fleet, or look elsewhere",
        "FleetStart",
        [{"token": "<JWT>", "command": "start", "bbox": [2.2, -2.6, 2.6, -2.1]}],
    ),
    "stop": ("Stop streaming", "Stop", [{"command": "stop"}]),
}
_FROM_THE_SERVER: Final[dict[str, tuple[str, str, list[Schema]]]] = {
    "location": ("A location", "Location", [_POINT]),
    "batchAcknowledgement": ("A batch that was accepted in part", "BatchAcknowledgement", []),
    "details": ("A location with details", "Details", [_DETAILS]),
    "unknown": ("No location yet", "Unknown", [{"userId": 19, "status": "unknown"}]),
    "snapshot": (
        "Everybody in view",
        "Snapshot",
        [{"snapshot": [_ITEM], "counts": {"live": 1, "stale": 0, "offline": 2}}],
    ),
    "update": (
        "What changed in view",
        "Update",
        [
            {
                "update": [{**_ITEM, "location_lat": "-2.3125"}],
                "remove": [20],
                "counts": {"live": 2, "stale": 0, "offline": 2},
            }
        ],
    ),
    "expiryWarning": ("The token runs out", "ExpiryWarning", [{"token_expires_in": 30}]),
    "error": (
        "What the client did wrong",
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
