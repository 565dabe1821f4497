"""Decoders of clients' messages on each route, and of the handshake's query string."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, cast
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from tracking.fix import Fix
from tracking.ids import INTEGERS, DriverId, Ids
from tracking.protocol.errors import (
    InvalidLocation,
    InvalidMessage,
    InvalidTripId,
    InvalidUserId,
)

MAX_FIXES_PER_BATCH: Final = 100

# About 1 cm on the ground; more digits are noise, and cost bytes in every frame.
DECIMALS: Final = 7

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


Time: TypeAlias = Annotated[datetime, Meta(tz=True)]


# What a phone says about itself refuses no location: a value of another form means unknown. Clients
# that knew no such keys may send anything by these names.
Battery: TypeAlias = Annotated[
    Any, Meta(extra_json_schema={"type": ["number", "null"], "minimum": 0, "maximum": 100})
]
Truth: TypeAlias = Annotated[Any, Meta(extra_json_schema={"type": ["boolean", "null"]})]


class Measurement(msgspec.Struct):
    """A measurement of a device, with the names and units of the W3C's Geolocation API. `to_fix`
    checks the degrees, and treats numbers that phones send for unknown values as unknown. Without
    `recorded_at` the time of arrival counts. `sent_at` is when the message was sent, by the same
    clock. `battery` is in percent. `mock` is true if the platform says that the location is
    simulated.
    """

    lat: float | str | None = None
    lon: float | str | None = None
    recorded_at: Time | None = None
    heading: Annotated[float, Meta(le=360)] | None = None
    speed: float | None = None
    accuracy: float | None = None
    sent_at: Time | None = None
    battery: Battery = None
    charging: Truth = None
    mock: Truth = None


# Fixes measured while offline.
Measurements: TypeAlias = Annotated[
    list[Measurement], Meta(min_length=1, max_length=MAX_FIXES_PER_BATCH)
]


class Start(msgspec.Struct, tag_field="command", tag="start"):
    """The payload that begins a stream."""

    token: str | None = None
    details: bool = False


class Stop(msgspec.Struct, tag_field="command", tag="stop"):
    """The payload that ends a stream, and keeps the connection open."""

    token: str | None = None


class Send(Measurement, tag_field="command", tag="send"):
    """The payload that carries one fix."""

    token: str | None = None


class SendBatch(msgspec.Struct, tag_field="command", tag="send_batch"):
    """The payload that carries fixes measured while offline; with `details`, its acknowledgement
    lists the fixes that were not accepted.
    """

    fixes: Measurements
    token: str | None = None
    details: bool = False
    sent_at: Time | None = None


class SetState(msgspec.Struct, tag_field="command", tag="state"):
    """The payload that begins or ends a driver's shift."""

    state: Literal["available", "non_operational"]
    token: str | None = None


class WatcherMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: Start | Stop


class DriverMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: Send | SendBatch | SetState


_Message = TypeVar("_Message", bound=msgspec.Struct)
_watcher_decoder: Final = msgspec.json.Decoder(WatcherMessage)

_WATCHER_SHAPE: Final = '"token": …, "command": "start"'

# Error messages by the key that is wrong.
EXPECTED: Final = {
    "lat": "lat must be a decimal string or a number",
    "lon": "lon must be a decimal string or a number",
    "recorded_at": "recorded_at must be a time with its offset, such as 2026-01-31T12:00:00.5Z",
    "sent_at": "sent_at must be a time with its offset, such as 2026-01-31T12:00:00.5Z",
    "heading": "heading must be a number of degrees up to 360: leave it out if unknown",
    "speed": "speed must be a number of m/s: leave it out if unknown",
    "accuracy": "accuracy must be a number of metres: leave it out if unknown",
    "details": "details must be true or false",
    "state": "state must be available or non_operational",
    "fixes": f"fixes must be a list of 1 to {MAX_FIXES_PER_BATCH} fixes",
}


def decode_watcher_message(text: str) -> Start | Stop:
    """Return the payload of a message on get-tracking; raise `InvalidMessage`."""
    return decode(_watcher_decoder, text, _WATCHER_SHAPE).payload


def decode(decoder: msgspec.json.Decoder[_Message], text: str, shape: str) -> _Message:
    """Return the message; raise `InvalidMessage`, which quotes the payload's expected `shape`."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise refusal(error, f'{{"type": "authenticate", "payload": {{{shape}}}}}') from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidMessage from error


def refusal(error: msgspec.ValidationError, shape: str) -> InvalidMessage:
    """Return the error for the client: the expected value of one key, or the whole `shape`."""
    # msgspec ends its message with the path: "Expected `str`, got `null` - at `$.payload.lat`".
    where = str(error).rpartition("`$.")[2].partition("`")[0].rpartition(".")[2]
    expected = EXPECTED.get(where.partition("[")[0])
    kind = InvalidLocation if where in ("lat", "lon") else InvalidMessage
    return kind(expected or f"expected {shape}")


def to_fix(measurement: Measurement, driver_id: DriverId, now: datetime) -> Fix:
    """Return the fix that arrived `now`; raise `InvalidMessage` or `InvalidLocation`.

    The device's time is accepted unless it is in the future, which counts as `now`. `DeviceClock`
    corrects it further.
    """
    latitude, longitude = place(measurement)
    recorded_at = measurement.recorded_at
    if recorded_at is None or recorded_at > now:
        recorded_at = now
    return Fix(
        driver_id,
        latitude,
        longitude,
        utc(recorded_at),
        now,
        known_accuracy(measurement.accuracy),
        known_heading(measurement.heading),
        known_speed(measurement.speed),
        battery=known_battery(measurement.battery),
        charging=measurement.charging if isinstance(measurement.charging, bool) else None,
        mock=measurement.mock is True,
    )


def place(measurement: Measurement) -> tuple[float, float]:
    """Return latitude and longitude; raise `InvalidLocation`."""
    latitude = degrees("lat", measurement.lat, 90)
    longitude = degrees("lon", measurement.lon, 180)
    if not latitude and not longitude and (measurement.accuracy or 0) < 0:
        raise InvalidLocation("0, 0 with a negative accuracy is no place: the device has none")
    return latitude, longitude


def utc(time: datetime, key: str = "recorded_at") -> datetime:
    """Return the time of the message's `key` in UTC.

    Raise `InvalidMessage` for the year 1, east of Greenwich.
    """
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise InvalidMessage(EXPECTED[key]) from error


# Phones send a negative number for an unknown value, as iOS does, or an accuracy of 0. Adding zero
# turns -0.0 into 0.0: SQLite does not store the sign, and a snapshot must equal the live frame.


def known_heading(value: float | None) -> float | None:
    """Return degrees from 0 to below 360, or None for an unknown value."""
    return None if value is None or value < 0 else value % 360 + 0.0


def known_speed(value: float | None) -> float | None:
    """Return a speed of 0 or more, or None for an unknown value."""
    return None if value is None or value < 0 else value + 0.0


def known_accuracy(value: float | None) -> float | None:
    """Return metres above 0, or None for an unknown value."""
    return None if value is None or value <= 0 else value


def known_battery(value: object) -> int | None:
    """Return whole percent from 0 to 100, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return round(value)


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


def parse_driver_id(query_string: bytes, ids: Ids = INTEGERS) -> DriverId:
    """Return the driver's id from the handshake's query string; raise `InvalidUserId`."""
    value = _query_value(query_string, "userId")
    driver_id = None if value is None else ids.parse(value)
    if driver_id is None:
        raise InvalidUserId(f"connect with ?userId=<the driver's id>, one {ids.description}")
    return driver_id


def parse_trip_id(query_string: bytes) -> int:
    """Return the trip's id from the handshake's query string; raise `InvalidTripId`."""
    value = _query_value(query_string, "tripId")
    trip_id = None if value is None else INTEGERS.parse(value)
    if trip_id is None:
        raise InvalidTripId
    return cast("int", trip_id)


def _query_value(query_string: bytes, name: str) -> str | None:
    """Return the value of a parameter; None if it is missing or repeated."""
    values = parse_qs(query_string.decode("latin-1"), keep_blank_values=True).get(name, [])
    return values[0] if len(values) == 1 else None
