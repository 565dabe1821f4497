"""Encoding of the server's frames, from their types in `protocol.frames`.

A location's numbers are canonical: no exponent, no trailing zeros.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.protocol import frames
from tracking.protocol.errors import TrackingError
from tracking.protocol.messages import DECIMALS

_Number: TypeAlias = float | None
_Details: TypeAlias = tuple[
    str, str, DriverId, str, str, _Number, _Number, _Number, str, _Number, str
]

_encoder: Final = msgspec.json.Encoder()


def encode(frame: frames.Frame) -> str:
    """Return the text of a frame, with a blank after each colon and comma."""
    return msgspec.json.format(_encoder.encode(frame), indent=0).decode()


# The text around the degrees. This frame is made for every fix: 1.0 µs, with `encode` 1.9 µs.
_BEFORE, _BETWEEN, _AFTER = encode(frames.Location("|", "|")).split("|")


def encode_location(latitude: float, longitude: float) -> str:
    """Return a location frame: the acknowledgement of a send and the update of a watcher."""
    return f"{_BEFORE}{format_degrees(latitude)}{_BETWEEN}{format_degrees(longitude)}{_AFTER}"


def encode_verdicts(latitude: float, longitude: float, rejected: Sequence[frames.Verdict]) -> str:
    """Return the acknowledgement of a batch of which some fixes were not accepted."""
    return encode(
        frames.BatchAcknowledgement(
            format_degrees(latitude), format_degrees(longitude), list(rejected)
        )
    )


def encode_details(fix: Fix, status: str) -> str:
    """Return the location frame for clients that asked for details."""
    return encode(frames.Details(*details_of(fix, status)))


def details(fix: Fix, status: str) -> dict[str, Any]:
    """Return the content of a details frame, for another encoder."""
    content: dict[str, Any] = msgspec.to_builtins(frames.Details(*details_of(fix, status)))
    return content


def encode_unknown(driver_id: DriverId) -> str:
    """Return the details frame of a driver that has no location yet."""
    return encode(frames.Unknown(driver_id, "unknown"))


def encode_expiry_warning(seconds: int) -> str:
    """Return the frame that warns that the token expires in `seconds`."""
    return encode(frames.ExpiryWarning(seconds))


def encode_state(state: frames.StateName) -> str:
    """Return the acknowledgement of a driver's new state."""
    return encode(frames.StateSet(state))


def encode_trip(trip: frames.TripContent) -> str:
    """Return the frame of a trip."""
    return encode(frames.TripFrame(trip))


def encode_error(error: TrackingError) -> str:
    """Return the error frame."""
    return encode(frames.Error(frames.ErrorContent(error.code, str(error))))


def format_degrees(value: float) -> str:
    """Return a result of `degrees` as a canonical decimal: no exponent, no trailing zeros."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def format_time(at: datetime) -> str:
    """Return an aware UTC time as RFC 3339 with milliseconds."""
    return at.isoformat("T", "milliseconds").removesuffix("+00:00") + "Z"


def details_of(fix: Fix, status: str) -> _Details:
    """Return the values of the fields of `frames.Details`, in their order."""
    received_at = format_time(fix.received_at)
    return (
        format_degrees(fix.latitude),
        format_degrees(fix.longitude),
        fix.driver_id,
        format_time(fix.recorded_at),
        received_at,
        fix.heading,
        fix.speed,
        fix.accuracy,
        received_at if fix.heard_at is None else format_time(fix.heard_at),
        fix.clock_offset,
        status,
    )
