"""What clients send: the decoders of each route's messages, and the handshake's query string."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias, TypeVar
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from tracking.fix import Fix
from tracking.protocol.errors import InvalidLocation, InvalidMessage, InvalidUserId

# A PostgreSQL bigint, which is what Django's keys are.
MAX_ID: Final = 2**63 - 1

MAX_FIXES_PER_BATCH: Final = 100

# About 1 cm on the ground; more is noise, and costs bytes in every frame.
DECIMALS: Final = 7

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[0-9]{1,19}")


class Measurement(msgspec.Struct):
    """What a device measured; `to_fix` checks the degrees. Names and units of the W3C's
    Geolocation API. Without `recorded_at` the time of arrival counts.
    """

    lat: float | str | None = None
    lon: float | str | None = None
    recorded_at: Annotated[datetime, Meta(tz=True)] | None = None
    heading: Annotated[float, Meta(ge=0, lt=360)] | None = None
    speed: Annotated[float, Meta(ge=0)] | None = None
    accuracy: Annotated[float, Meta(gt=0)] | None = None


# What was measured while offline.
Measurements: TypeAlias = Annotated[
    list[Measurement], Meta(min_length=1, max_length=MAX_FIXES_PER_BATCH)
]


class Start(msgspec.Struct, tag_field="command", tag="start"):
    """The payload that begins a stream."""

    token: str | None = None
    details: bool = False


class Stop(msgspec.Struct, tag_field="command", tag="stop"):
    """The payload that ends a stream, and keeps the connection."""

    token: str | None = None


class Send(Measurement, tag_field="command", tag="send"):
    """The payload that carries one fix."""

    token: str | None = None


class SendBatch(msgspec.Struct, tag_field="command", tag="send_batch"):
    """The payload that carries what was measured while offline."""

    fixes: Measurements
    token: str | None = None


class WatcherMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: Start | Stop


class DriverMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: Send | SendBatch


_Message = TypeVar("_Message", bound=msgspec.Struct)
_watcher_decoder: Final = msgspec.json.Decoder(WatcherMessage)
_driver_decoder: Final = msgspec.json.Decoder(DriverMessage)

_WATCHER_SHAPE: Final = '"token": …, "command": "start"'
_DRIVER_SHAPE: Final = '"token": …, "command": "send", "lat": …, "lon": …'

# What is right, by the key that is wrong.
_EXPECTED: Final = {
    "lat": "lat must be a decimal string or a number",
    "lon": "lon must be a decimal string or a number",
    "recorded_at": "recorded_at must be a time with its offset, such as 2026-01-31T12:00:00.5Z",
    "heading": "heading must be a number from 0 to below 360: leave it out if unknown",
    "speed": "speed must be a number of m/s, 0 or more: leave it out if unknown",
    "accuracy": "accuracy must be a number of metres above 0: leave it out if unknown",
    "details": "details must be true or false",
    "fixes": f"fixes must be a list of 1 to {MAX_FIXES_PER_BATCH} fixes",
}


def decode_watcher_message(text: str) -> Start | Stop:
    """Return the payload of a message on get-tracking; raise `InvalidMessage`."""
    return decode(_watcher_decoder, text, _WATCHER_SHAPE).payload


def decode_driver_message(text: str) -> Send | SendBatch:
    """Return the payload of a message on set-tracking; raise `InvalidMessage`, or
    `InvalidLocation` where only the location is wrong.
    """
    return decode(_driver_decoder, text, _DRIVER_SHAPE).payload


def decode(decoder: msgspec.json.Decoder[_Message], text: str, shape: str) -> _Message:
    """Return the message; raise `InvalidMessage`, which says what the payload's `shape` is."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        # msgspec ends its message with where: "Expected `str`, got `null` - at `$.payload.lat`".
        where = str(error).rpartition("`$.payload.")[2].partition("`")[0].rpartition(".")[2]
        expected = _EXPECTED.get(where.partition("[")[0])
        if expected is None:
            expected = f'expected {{"type": "authenticate", "payload": {{{shape}}}}}'
        kind = InvalidLocation if where in ("lat", "lon") else InvalidMessage
        raise kind(expected) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidMessage from error


def to_fix(measurement: Measurement, driver_id: int, now: datetime) -> Fix:
    """Return the fix that arrived `now`; raise `InvalidMessage` or `InvalidLocation`.

    A measurement from the future was made now: the device's clock is ahead.
    """
    recorded_at = measurement.recorded_at
    if recorded_at is None or recorded_at > now:
        recorded_at = now
    try:
        recorded_at = recorded_at.astimezone(UTC)
    except OverflowError as error:  # the year 1, east of Greenwich
        raise InvalidMessage(_EXPECTED["recorded_at"]) from error
    return Fix(
        driver_id,
        degrees("lat", measurement.lat, 90),
        degrees("lon", measurement.lon, 180),
        recorded_at,
        now,
        measurement.accuracy,
        _no_minus_zero(measurement.heading),
        _no_minus_zero(measurement.speed),
    )


def _no_minus_zero(number: float | None) -> float | None:
    # SQLite does not keep the sign, and the snapshot must read like the live frame.
    return None if number is None else number + 0.0


def newest_of(measurements: list[Measurement]) -> Measurement:
    """Return the newest of a batch, by the device's own clock, and of equals the last.

    Raise `InvalidLocation` if any has no valid location: what a batch holds is checked as a whole.
    """
    for number, measurement in enumerate(measurements):
        try:
            degrees("lat", measurement.lat, 90)
            degrees("lon", measurement.lon, 180)
        except InvalidLocation as error:
            raise InvalidLocation(f"fixes[{number}]: {error}") from error
    return max(reversed(measurements), key=_recorded)


def _recorded(measurement: Measurement) -> datetime:
    # Without a time it was measured when it arrives, after all that were measured before.
    return measurement.recorded_at or _END_OF_TIME


_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


def degrees(name: str, value: float | str | None, limit: int) -> float:
    """Return WGS 84 degrees in -limit..limit rounded to 7 decimals; raise `InvalidLocation`."""
    if value is None:
        raise InvalidLocation(f"{name} is missing: send it as decimal degrees")
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise InvalidLocation(f"{name} must be a decimal string or a number")
        value = float(value)
    if not -limit <= value <= limit:
        raise InvalidLocation(f"{name} must be between -{limit} and {limit}")
    # Adding zero turns -0.0, which a tiny negative number rounds to, into 0.0.
    return round(value, DECIMALS) + 0.0


def parse_driver_id(query_string: bytes) -> int:
    """Return the driver's id from the handshake's query string; raise `InvalidUserId`."""
    values = parse_qs(query_string.decode("latin-1"), keep_blank_values=True).get("userId", [])
    if len(values) == 1 and _INTEGER.fullmatch(values[0]) and 0 < int(values[0]) <= MAX_ID:
        return int(values[0])
    raise InvalidUserId
