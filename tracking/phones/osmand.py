"""The OsmAnd protocol, as Traccar Client speaks it: https://www.traccar.org/osmand/

Up to its version 8 the app sends parameters, from 9 on JSON.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from tracking.phones.readings import KNOT, from_epoch, from_text, measurement, number
from tracking.protocol import Measurement
from tracking.rest.bodies import decode_body

# What is larger is milliseconds: seconds reach it in the year 5138, milliseconds did in 1973.
_LARGEST_SECONDS: Final = 10**11

_DIGITS: Final = re.compile(r"-?[0-9]{1,17}")


class Report(NamedTuple):
    """Who says so, and what: no measurement where the app itself calls the fix invalid."""

    token: str
    measurement: Measurement | None


class Coordinates(msgspec.Struct):
    """`accuracy` in metres, `speed` in m/s, `heading` in degrees."""

    latitude: float | None = None
    longitude: float | None = None
    accuracy: float | None = None
    speed: float | None = None
    heading: float | None = None


class Location(msgspec.Struct):
    timestamp: str | int | None = None
    coords: Coordinates = msgspec.field(default_factory=Coordinates)


class Message(msgspec.Struct):
    device_id: str
    location: Location


_decoder: Final = msgspec.json.Decoder(Message)


def parse_parameters(parameters: Mapping[str, str]) -> Report:
    """Read the parameters of a query or a form, `speed` in knots; raise `InvalidMessage`."""
    token = parameters.get("id") or parameters.get("deviceid") or ""
    if parameters.get("valid", "true").lower() not in ("true", "1"):
        return Report(token, None)
    lat, lon = parameters.get("lat"), parameters.get("lon")
    if "location" in parameters:
        lat, _, lon = parameters["location"].partition(",")
    timestamp = parameters.get("timestamp")
    speed = number("speed", parameters.get("speed"))
    return Report(
        token,
        measurement(
            lat,
            lon,
            _time(timestamp) if timestamp else None,
            heading=number("bearing", parameters.get("bearing") or parameters.get("heading")),
            speed=None if speed is None else speed * KNOT,
            accuracy=number("accuracy", parameters.get("accuracy")),
        ),
    )


def parse_json(body: bytes) -> Report:
    """Read the JSON of version 9; raise `InvalidMessage`."""
    message = decode_body(_decoder, body)
    timestamp, coords = message.location.timestamp, message.location.coords
    return Report(
        message.device_id,
        measurement(
            coords.latitude,
            coords.longitude,
            _time(str(timestamp)) if timestamp else None,
            heading=coords.heading,
            speed=coords.speed,
            accuracy=coords.accuracy,
        ),
    )


def _time(timestamp: str) -> datetime:
    if not _DIGITS.fullmatch(timestamp):
        return from_text(timestamp)
    value = int(timestamp)
    return from_epoch(value if value < _LARGEST_SECONDS else value / 1000)
