"""The frames of the server, each defined once as a type.

Encoding (`protocol.encoding`), the AsyncAPI and OpenAPI documents and the types of the browser
client all derive from these types. The keys are sent in the order of the fields.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tracking.ids import DriverId
from tracking.protocol.errors import ERRORS, InvalidLocation, InvalidMessage, OffDuty
from tracking.protocol.messages import DECIMALS

Degrees: TypeAlias = Annotated[
    str,
    Meta(
        pattern=rf"^(?!-0$)-?(0|[1-9][0-9]*)(\.[0-9]{{0,{DECIMALS - 1}}}[1-9])?$",
        description="WGS 84 degrees, canonical: no exponent, no trailing zeros, no -0.",
    ),
]
# The constraints of ids are for the documents alone, and are the same for every kind of key.
Id: TypeAlias = Annotated[
    DriverId,
    Meta(
        description="The driver's id.",
        extra_json_schema={"format": "int64", "minimum": 1},
    ),
]
Count: TypeAlias = Annotated[int, Meta(ge=0)]

_TIME: Final = {
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
    "format": "date-time",
}


# The values of `tracking.models.State` and `TripStatus`: tests compare them.
StateName: TypeAlias = Literal["available", "reserved", "on_trip", "non_operational"]
TripStatusName: TypeAlias = Literal[
    "new",
    "enroute_to_pickup",
    "arrived_at_pickup",
    "enroute_to_intermediate_destination",
    "arrived_at_intermediate_destination",
    "enroute_to_dropoff",
    "complete",
    "canceled",
]


TripId: TypeAlias = Annotated[int, Meta(ge=1, description="The trip that the driver has now.")]


class Frame(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A JSON object that the server sends."""


class Location(Frame):
    """On set-tracking the acknowledgement of a send, on get-tracking the driver's location."""

    location_lat: Degrees
    location_lon: Degrees


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fix of a batch that was not accepted: its index in the batch, and the error."""

    index: Annotated[int, Meta(ge=0, description="Its position in the batch, from 0.")]
    code: Annotated[
        str,
        Meta(
            description="As in error frames; `too_large` is for a whole body, over HTTP only.",
            extra_json_schema={
                "enum": [InvalidMessage.code, InvalidLocation.code, OffDuty.code, "too_large"]
            },
        ),
    ]
    message: Annotated[str, Meta(description="A description of the error.")]


Rejected: TypeAlias = Annotated[list[Verdict], Meta(min_length=1)]


class BatchAcknowledgement(Location):
    """The acknowledgement of a batch sent with details, of which not all fixes were accepted."""

    rejected: Rejected


class Verdicts(Frame):
    """The fixes that were not accepted, in the answer to a report over HTTP."""

    rejected: Rejected


class Counts(Frame):
    """The number of drivers of the whole fleet by status."""

    live: Count
    stale: Count
    offline: Count


class Details(Location):
    """The location for clients that asked for details."""

    driver_id: Id = msgspec.field(name="userId")
    recorded_at: Annotated[
        str,
        Meta(
            description="When the location was measured, by the device's clock, corrected if that"
            " is wrong: RFC 3339, UTC, milliseconds.",
            extra_json_schema=_TIME,
        ),
    ]
    received_at: Annotated[
        str,
        Meta(description="When it arrived, by the server's clock.", extra_json_schema=_TIME),
    ]
    heading: Annotated[
        Annotated[float, Meta(ge=0, lt=360)] | None,
        Meta(description="Degrees clockwise from true north."),
    ]
    speed: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="Metres per second.")]
    accuracy: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="Metres.")]
    heard_at: Annotated[
        str,
        Meta(
            description="When the phone's last message arrived, even without a newer location.",
            extra_json_schema=_TIME,
        ),
    ]
    clock_offset: Annotated[
        float | None,
        Meta(description="Seconds by which the device's clock is behind, and was corrected."),
    ]
    status: Annotated[
        str,
        Meta(
            description="The freshness of the location.",
            extra_json_schema={"enum": list(Counts.__struct_fields__)},
        ),
    ]


class Unknown(Frame):
    """Sent instead of details, for a driver that has no location yet."""

    driver_id: Id = msgspec.field(name="userId")
    status: Literal["unknown"]


class ExpiryWarning(Frame):
    """A warning that the token expires in this many seconds: send a newer one."""

    token_expires_in: Count


class ErrorContent(Frame):
    """The error, for programs and for people. It never repeats the token or the input."""

    code: Annotated[str, Meta(extra_json_schema={"enum": [error.code for error in ERRORS]})]
    message: str


class Error(Frame):
    """An error of the client. `x-errors` lists the errors that end the connection."""

    error: ErrorContent


class StateSet(Frame):
    """On set-tracking, the acknowledgement of a driver's new state, once it is committed."""

    state: StateName


class TripDriver(Frame):
    """The driver that a trip has now."""

    driver_id: Id = msgspec.field(name="userId")
    name: Annotated[str | None, Meta(description="Null if the driver has no name.")]
    vehicle: Annotated[str, Meta(description="As the host describes it to riders, or empty.")]


class TripWaypoint(Frame):
    """A place of a trip, WGS 84 degrees."""

    kind: Literal["pickup", "stop", "dropoff"]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    name: Annotated[str | None, Meta(description="An address, or what people call it.")]


class Eta(Frame):
    """The estimated time of arrival at the next waypoint."""

    arrives_at: Annotated[str, Meta(extra_json_schema=_TIME)]
    seconds: Annotated[int, Meta(ge=0, description="Until then, when the frame was made.")]
    distance: Annotated[float, Meta(ge=0, description="Metres along the route.")]
    confidence: Annotated[
        Literal["high", "low"],
        Meta(description="High by a routing engine, low by the straight line."),
    ]
    computed_at: Annotated[str, Meta(extra_json_schema=_TIME)]


class TripContent(Frame):
    """A trip, as its riders, its driver and staff see it."""

    id: Annotated[int, Meta(ge=1)]
    reference: Annotated[str, Meta(description="The trip in the host's own words, or empty.")]
    status: TripStatusName
    driver: Annotated[TripDriver | None, Meta(description="Null before one is assigned.")]
    waypoints: list[TripWaypoint]
    eta: Eta | None
    route: Annotated[
        str | None, Meta(description="The way ahead, an encoded polyline of 6 decimals.")
    ]


class TripFrame(Frame):
    """The first frame of a trip's stream, and the first one after each change of the trip.

    A new time of arrival is a change as well.
    """

    trip: TripContent


class NearbyDriver(Details):
    """A free driver near a place, for dispatch."""

    distance: Annotated[float, Meta(ge=0, description="Metres from the place.")]
    bearing: Annotated[
        float, Meta(ge=0, lt=360, description="From the place, degrees clockwise from true north.")
    ]
    state: StateName
    age: Annotated[float, Meta(ge=0, description="Seconds since the location was measured.")]
    eta: Eta | None


class NearbyCar(Frame):
    """A car near a rider. The id means nothing to other riders, and changes within an hour."""

    id: str
    location_lat: Degrees
    location_lon: Degrees


class NearbyCars(Frame):
    """The free cars near a rider, at most 20, in place of those of the frame before."""

    cars: list[NearbyCar]


class FleetItem(Details):
    """A driver of the fleet: the details, and the driver's name."""

    # Encoded once per name, not once per fix: `encoding.encode_name`.
    name: Annotated[
        msgspec.Raw,
        Meta(
            description="Null until the server has looked it up.",
            extra_json_schema={"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
    ]
    # Only for drivers that have a state, and a trip.
    state: StateName | UnsetType = UNSET
    trip: TripId | UnsetType = UNSET


Removed: TypeAlias = Annotated[
    list[Id] | UnsetType,
    Meta(description="The drivers that left the viewport or no longer exist."),
]


More: TypeAlias = Annotated[
    bool | UnsetType,
    Meta(
        description="The batch continues in the next frame. The first frame without this key,"
        " a snapshot or an update, completes the snapshot."
    ),
]


class Snapshot(Frame, kw_only=True):
    """All drivers in the viewport, or the first part of them, in place of earlier frames."""

    snapshot: list[FleetItem]
    remove: Removed = UNSET
    counts: Counts
    more: More = UNSET


class Update(Frame, kw_only=True):
    """The drivers that changed since the last frame, or the next part of a snapshot."""

    update: list[FleetItem]
    remove: Removed = UNSET
    counts: Counts | UnsetType = UNSET
    more: More = UNSET
