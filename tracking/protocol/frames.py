"""What the server answers. A location's numbers are canonical: no exponent, no trailing zeros."""

import json
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tracking.fix import Fix
from tracking.protocol.batches import Verdict
from tracking.protocol.errors import TrackingError
from tracking.protocol.messages import DECIMALS


def format_degrees(value: float) -> str:
    """Return the canonical decimal of what `degrees` returned: no exponent, no trailing zeros."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def encode_location(latitude: float, longitude: float) -> str:
    """Return a location frame: the acknowledgement of a send and the update of a watcher."""
    return (
        f'{{"location_lat": "{format_degrees(latitude)}", '
        f'"location_lon": "{format_degrees(longitude)}"}}'
    )


def encode_verdicts(latitude: float, longitude: float, rejected: Sequence[Verdict]) -> str:
    """Return the acknowledgement of a batch of which some fixes were not accepted."""
    verdicts = json.dumps(msgspec.to_builtins(rejected))
    return f'{encode_location(latitude, longitude)[:-1]}, "rejected": {verdicts}}}'


def details(fix: Fix, status: str) -> dict[str, object]:
    """Return what a details frame says, for those who encode it themselves."""
    return {
        "location_lat": format_degrees(fix.latitude),
        "location_lon": format_degrees(fix.longitude),
        "userId": fix.driver_id,
        "recorded_at": format_time(fix.recorded_at),
        "received_at": format_time(fix.received_at),
        "heading": fix.heading,
        "speed": fix.speed,
        "accuracy": fix.accuracy,
        "heard_at": format_time(fix.heard),
        "clock_offset": fix.clock_offset,
        "status": status,
    }


def encode_details(fix: Fix, status: str) -> str:
    """Return the location frame of those who asked for details. Times are RFC 3339, in UTC."""
    return (
        f"{encode_location(fix.latitude, fix.longitude)[:-1]}, "
        f'"userId": {fix.driver_id}, '
        f'"recorded_at": "{format_time(fix.recorded_at)}", '
        f'"received_at": "{format_time(fix.received_at)}", '
        f'"heading": {_number(fix.heading)}, '
        f'"speed": {_number(fix.speed)}, '
        f'"accuracy": {_number(fix.accuracy)}, '
        f'"heard_at": "{format_time(fix.heard)}", '
        f'"clock_offset": {_number(fix.clock_offset)}, '
        f'"status": "{status}"}}'
    )


def encode_unknown(driver_id: int) -> str:
    """Return the details frame of a driver who has no location yet."""
    return f'{{"userId": {driver_id}, "status": "unknown"}}'


def encode_expiry_warning(seconds: int) -> str:
    """Return the frame that says in how many seconds the token runs out."""
    return f'{{"token_expires_in": {seconds}}}'


def format_time(at: datetime) -> str:
    """Return an aware UTC time as RFC 3339 with milliseconds."""
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)


def encode_error(error: TrackingError) -> str:
    """Return the error frame."""
    frame = {"error": {"code": error.code, "message": str(error)}}
    return json.dumps(frame, ensure_ascii=False)
