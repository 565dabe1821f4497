"""The AsyncAPI document: the routes, their messages in both directions, and the close codes."""

from typing import Any, Final

from tracking.asyncapi.close_codes import close_codes, errors
from tracking.asyncapi.messages import messages
from tracking.asyncapi.schemas import USER_ID, Schema, schemas

_DESCRIPTION: Final = """\
Drivers send their locations, and riders and dispatchers watch them move. Each message is one JSON \
object in a WebSocket text frame. docs/protocol.md describes the protocol in words. The `receive` \
operations are what clients send, the `send` operations what the server sends.

The server accepts every handshake on these routes. It reports faults in error frames, which \
`x-errors` lists. If it closes the connection, the close code is one of `x-closeCodes`."""

_AUTHENTICATION: Final = """\
A SimpleJWT access token. If the server's setting `ACCEPT_LOGIN_TOKENS` is on, also a token with \
exactly the claims `id`, `email`, `name`, `iat` and `exp`, signed with the same key. Clients send \
it as `token` in a message's payload, not in a header of the handshake, and may omit it after one \
accepted message on the same connection."""

# By channel: address, title, audience, the messages of clients and those of the server.
_ROUTES: Final = {
    "setTracking": (
        "/driver/set-tracking",
        "Set a driver's location",
        "Only for the driver with the id `userId`.",
        ("send", "sendBatch", "setState"),
        ("location", "batchAcknowledgement", "state", "error"),
    ),
    "getTracking": (
        "/driver/get-tracking",
        "Get a driver's location",
        "For users whom the watch policy permits to watch the driver with the id `userId`.",
        ("start", "stop"),
        ("location", "details", "unknown", "expiryWarning", "error"),
    ),
    "getTrip": (
        "/trip/get-tracking",
        "Follow a trip",
        "For the riders and the driver of the trip `tripId`, and staff who may view all trips.",
        ("start", "stop"),
        ("trip", "details", "unknown", "expiryWarning", "error"),
    ),
    "getNearby": (
        "/nearby/get-tracking",
        "See free cars near a place",
        "For every user. Nothing in it says whose cars they are.",
        ("startNearby", "stop"),
        ("cars", "expiryWarning", "error"),
    ),
    "getFleet": (
        "/fleet/get-tracking",
        "Get the locations of all drivers",
        "For staff with the permission to view last known locations.",
        ("startFleet", "stop"),
        ("snapshot", "update", "expiryWarning", "error"),
    ),
}

_TRIP_ID: Final[Schema] = {"description": "The trip's id.", "type": "integer", "minimum": 1}

# By channel: the parameter of the handshake's query.
_QUERIES: Final = {
    "setTracking": ("userId", USER_ID),
    "getTracking": ("userId", USER_ID),
    "getTrip": ("tripId", _TRIP_ID),
}


def document() -> dict[str, Any]:
    """Return the document, the same each time."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for name, (address, title, audience, received, sent) in _ROUTES.items():
        channels[name] = {
            "address": address,
            "title": title,
            "description": audience,
            "messages": {
                message: {"$ref": f"#/components/messages/{message}"}
                for message in (*received, *sent)
            },
            "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        }
        if name in _QUERIES:
            parameter, schema = _QUERIES[name]
            channels[name]["bindings"]["ws"]["query"] = {
                "type": "object",
                "properties": {parameter: schema},
                "required": [parameter],
            }
        operations[f"{name}.receive"] = {
            "action": "receive",
            "title": f"{title}: what clients send",
            "security": [{"$ref": "#/components/securitySchemes/accessToken"}],
            **_on(name, received),
        }
        operations[f"{name}.send"] = {
            "action": "send",
            "title": f"{title}: what the server sends",
            **_on(name, sent),
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Live driver tracking",
            "version": "1.0.0",
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "development": {
                "host": "localhost:3002",
                "protocol": "ws",
                "description": "The server of `manage.py runserver`. Production uses `wss`.",
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages(),
            "schemas": schemas(),
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": _AUTHENTICATION,
                }
            },
        },
        "x-errors": errors(),
        "x-closeCodes": close_codes(),
    }


def _on(channel: str, names: tuple[str, ...]) -> dict[str, Any]:
    reference = f"#/channels/{channel}"
    return {
        "channel": {"$ref": reference},
        "messages": [{"$ref": f"{reference}/messages/{name}"} for name in names],
    }
