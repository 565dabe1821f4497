"""What the server answers, as types: what the document says of it, and what real frames must fit.

`protocol.frames` and `fleet.messages` write these frames as text, with the keys in this order.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tracking.protocol import DECIMALS, MAX_FIXES_PER_BATCH, TrackingError, errors
from tracking.status import Status

# In the order in which they are defined.
ERRORS: Final = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, TrackingError) and error is not TrackingError
]

_Degrees = Annotated[
    str,
    Meta(
        pattern=rf"^(?!-0$)-?(0|[1-9][0-9]*)(\.[0-9]{{0,{DECIMALS - 1}}}[1-9])?$",
        description="WGS 84 degrees, canonical: no exponent, no trailing zeros, no -0.",
    ),
]
_Time = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        extra_json_schema={"format": "date-time"},
        description="RFC 3339, UTC, milliseconds.",
    ),
]
_DriverId = Annotated[
    int, Meta(ge=1, extra_json_schema={"format": "int64"}, description="The driver's id.")
]
_Count = Annotated[int, Meta(ge=0)]


class Location(msgspec.Struct, forbid_unknown_fields=True):
    """On set-tracking the acknowledgement of a send, on get-tracking the driver's location."""

    location_lat: _Degrees
    location_lon: _Degrees


class Verdict(msgspec.Struct, forbid_unknown_fields=True):
    """A fix of a batch that was not accepted: its place in the batch, and what is wrong with it."""

    index: Annotated[int, Meta(ge=0, lt=MAX_FIXES_PER_BATCH)]
    code: Annotated[str, Meta(extra_json_schema={"enum": ["invalid_message", "invalid_location"]})]
    message: str


class BatchAcknowledgement(Location):
    """The acknowledgement of a batch sent with details, of which not all fixes were accepted."""

    rejected: Annotated[list[Verdict], Meta(min_length=1)]


class Details(Location):
    """The location of those who asked for details."""

    driver_id: _DriverId = msgspec.field(name="userId")
    recorded_at: _Time
    received_at: _Time
    heading: Annotated[float, Meta(ge=0, lt=360)] | None
    speed: Annotated[float, Meta(ge=0)] | None
    accuracy: Annotated[float, Meta(gt=0)] | None
    heard_at: _Time
    clock_offset: (
        Annotated[
            float,
            Meta(description="Seconds by which the device's clock is behind, and was corrected."),
        ]
        | None
    )
    status: Annotated[str, Meta(extra_json_schema={"enum": Status.values})]


class Unknown(msgspec.Struct, forbid_unknown_fields=True):
    """In place of details, of a driver who has no location yet."""

    driver_id: _DriverId = msgspec.field(name="userId")
    status: Literal["unknown"]


class ExpiryWarning(msgspec.Struct, forbid_unknown_fields=True):
    """The token runs out in so many seconds: send a newer one."""

    token_expires_in: _Count


class ErrorContent(msgspec.Struct, forbid_unknown_fields=True):
    """What is wrong, for programs and for people. It never repeats the token or the input."""

    code: Annotated[str, Meta(extra_json_schema={"enum": [error.code for error in ERRORS]})]
    message: str


class Error(msgspec.Struct, forbid_unknown_fields=True):
    """What the client did wrong. Which of them end the connection, `x-errors` says."""

    error: ErrorContent


class FleetItem(Details):
    """A driver of the fleet: the details, and how the driver is called if that is known."""

    name: str | None


class Counts(msgspec.Struct, forbid_unknown_fields=True):
    """How many drivers have which status, the whole fleet over."""

    live: _Count
    stale: _Count
    offline: _Count


class Snapshot(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Everybody in the viewport. What was shown before it is no longer so."""

    snapshot: list[FleetItem]
    remove: list[_DriverId] | UnsetType = UNSET
    counts: Counts


class Update(msgspec.Struct, forbid_unknown_fields=True):
    """Who changed since the last frame, and who left the viewport or the fleet."""

    update: list[FleetItem]
    remove: list[_DriverId] | UnsetType = UNSET
    counts: Counts | UnsetType = UNSET
