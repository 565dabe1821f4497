"""The schemas of the document, from the types of the clients' messages and the server's frames.

AsyncAPI uses a superset of JSON Schema draft 07, and msgspec generates draft 2020-12.
"""

from typing import Any, Final

import msgspec

from tracking.people import USER_IDS
from tracking.protocol import frames
from tracking.protocol.fleet import Bbox, FleetMessage
from tracking.protocol.messages import DriverMessage, WatcherMessage
from tracking.protocol.nearby import NearbyMessage

Schema = dict[str, Any]

# The type depends on the keys of this project's users.
USER_ID: Final[Schema] = {"description": "The driver's id.", **USER_IDS.schema}

_TEMPLATE: Final = "#/components/schemas/{name}"
_ENVELOPES: Final = (DriverMessage, WatcherMessage, FleetMessage, NearbyMessage)
FRAMES: Final = (
    frames.Location,
    frames.BatchAcknowledgement,
    frames.Details,
    frames.Unknown,
    frames.StateSet,
    frames.TripFrame,
    frames.NearbyCars,
    frames.ExpiryWarning,
    frames.Error,
    frames.Snapshot,
    frames.Update,
)


def schemas() -> dict[str, Schema]:
    """Return all schemas by name, in the order of their names."""
    _, found = msgspec.json.schema_components((*_ENVELOPES, Bbox, *FRAMES), ref_template=_TEMPLATE)
    for envelope in _ENVELOPES:
        # Each command has its own message in the document, with a name and examples.
        del found[envelope.__name__]
    for name in ("Measurement", "Send", "NearbyStart"):
        found[name]["properties"] |= {"lat": _degrees(90), "lon": _degrees(180)}
        found[name].setdefault("required", [])
        found[name]["required"] += ["lat", "lon"]
    found["FleetStart"]["properties"]["bbox"] = {
        "anyOf": [reference("Bbox"), {"type": "null"}],
        "default": None,
    }
    found["Bbox"]["items"] = found["Bbox"].pop("prefixItems")
    for schema in found.values():
        properties = schema.get("properties", {})
        if "userId" in properties:
            properties["userId"] = dict(USER_ID)
        if "remove" in properties:
            properties["remove"]["items"] = dict(USER_ID)
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
    return dict(sorted(found.items()))


def reference(name: str) -> Schema:
    """Return a reference to the schema `name`."""
    return {"$ref": _TEMPLATE.format(name=name)}


def envelope(name: str) -> Schema:
    """Return the schema of a client's message with the payload `name`."""
    schema: Schema = msgspec.json.schema_components((DriverMessage,))[1]["DriverMessage"]
    return {
        "type": "object",
        "properties": {**schema["properties"], "payload": reference(name)},
        "required": schema["required"],
    }


def _degrees(limit: int) -> Schema:
    # `to_fix` checks this, not the type, for a clearer error message.
    return {
        "description": "WGS 84 degrees, rounded to 7 decimals. A string must be a decimal number.",
        "anyOf": [{"type": "number", "minimum": -limit, "maximum": limit}, {"type": "string"}],
    }
