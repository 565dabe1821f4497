"""The frames of the server, each defined once as a type.

Encoding (`protocol.encoding`), the AsyncAPI and OpenAPI documents and the types of the browser
client all derive from these types. The keys are sent in the order of the fields.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tracking.ids import DriverId
from tracking.protocol.errors import ERRORS, InvalidLocation, InvalidMessage
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
            extra_json_schema={"enum": [InvalidMessage.code, InvalidLocation.code, "too_large"]},
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
