"""The OsmAnd protocol, as Traccar Client speaks it: https://www.traccar.org/osmand/

The app sends parameters up to version 8, a JSON object in version 9, and from version 10 on a form
or a list of JSON objects with the form's keys. A message without a location is a sign of life: a
heartbeat, an alarm, cell towers.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from django.core.exceptions import TooManyFieldsSent
from django.http import QueryDict
from msgspec import Meta

from tracking.phones.readings import KNOT, from_epoch, from_text, measurement, number
from tracking.protocol import InvalidMessage, Measurement
from tracking.rest.bodies import decode_body

# Larger timestamps are milliseconds: seconds reach this in the year 5138, milliseconds did in 1973.
_MAX_SECONDS: Final = 10**11

# Per request, which is parsed before its sender is authenticated. Version 10 sends 100.
MAX_MESSAGES: Final = 1_000

_DIGITS: Final = re.compile(r"-?[0-9]{1,17}(?:\.[0-9]{0,9})?")

Read = Callable[[], Measurement | None]


class Sent(NamedTuple):
    """A request: the device's token, and functions that read its messages."""

    token: str
    messages: list[Read]


class Report(NamedTuple):
    """A message: the device's token, and the measurement, None if the app has no valid location."""

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
    """A location of version 9. `battery` is `{"level": …, "is_charging": …}`, the level up to 1."""

    timestamp: str | int | float | None = None
    coords: Coordinates = msgspec.field(default_factory=Coordinates)
    battery: Any = None
    mock: Any = None


_location_decoder: Final = msgspec.json.Decoder(Location)
_list_decoder: Final = msgspec.json.Decoder(
    Annotated[list[msgspec.Raw], Meta(max_length=MAX_MESSAGES)]
)
_object_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse(query: QueryDict, body: bytes) -> Sent:
    """Return a request's token and messages. Parameters may be in the URL and in the body.

    A body that cannot be parsed counts as one message that raises `InvalidMessage` when read.
    """
    parameters = _last_of_each(query)
    body = body.strip()
    try:
        if body.startswith(b"["):
            return _parse_list(parameters, body)
        if body.startswith(b"{"):
            return _parse_object(parameters, body)
        parameters |= _last_of_each(_form(body))
    except InvalidMessage as error:
        return Sent(_token(parameters), [partial(_refuse, error)])
    return Sent(_token(parameters), [lambda: parse_parameters(parameters).measurement])


def _last_of_each(query: QueryDict) -> dict[str, str]:
    return {name: str(value) for name, value in query.items()}


def _form(body: bytes) -> QueryDict:
    try:
        return QueryDict(body)
    except TooManyFieldsSent as error:
        raise InvalidMessage("send fewer parameters") from error


def _refuse(error: InvalidMessage) -> Measurement | None:
    raise error


def _parse_list(parameters: dict[str, str], body: bytes) -> Sent:
    items = decode_body(_list_decoder, body)
    token = _token(parameters)
    if items:
        with suppress(InvalidMessage):  # raised again when the item is read
            token = _token(parameters | _flat(items[0]))
    return Sent(token, [partial(_read_item, parameters, token, item) for item in items])


def _parse_object(parameters: dict[str, str], body: bytes) -> Sent:
    location = bytes(decode_body(_object_decoder, body).get("location", b"")).lstrip()
    parameters |= _flat(body)
    if not location.startswith((b"{", b"[")):  # the keys of a form
        return Sent(_token(parameters), [lambda: parse_parameters(parameters).measurement])
    items = decode_body(_list_decoder, location) if location.startswith(b"[") else [location]
    return Sent(_token(parameters), [partial(_read_location, item) for item in items])


def parse_parameters(parameters: Mapping[str, str]) -> Report:
    """Parse the parameters of a query or a form; raise `InvalidMessage`. Speeds are in knots."""
    token = _token(parameters)
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
            battery=parameters.get("batt"),
            charging=parameters.get("charge"),
            mock=parameters.get("mock"),
        ),
    )


def _read_location(location: msgspec.Raw | bytes) -> Measurement | None:
    found = decode_body(_location_decoder, bytes(location))
    timestamp, coords = found.timestamp, found.coords
    battery = found.battery if isinstance(found.battery, dict) else {}
    level = battery.get("level")
    return measurement(
        coords.latitude,
        coords.longitude,
        _time(str(timestamp)) if timestamp else None,
        heading=coords.heading,
        speed=coords.speed,
        accuracy=coords.accuracy,
        battery=level * 100 if isinstance(level, int | float) else None,
        charging=battery.get("is_charging"),
        mock=found.mock,
    )


def _read_item(parameters: dict[str, str], token: str, item: msgspec.Raw) -> Measurement | None:
    found = parse_parameters(parameters | _flat(item))
    if found.token != token:
        raise InvalidMessage("id must be the same in all of a request")
    return found.measurement


def _token(parameters: Mapping[str, str]) -> str:
    return parameters.get("id") or parameters.get("deviceid") or parameters.get("device_id") or ""


def _flat(item: msgspec.Raw | bytes) -> dict[str, str]:
    """Return a JSON object's values as text, like those of a form; numbers keep their spelling."""
    flat = {}
    for name, raw in decode_body(_object_decoder, bytes(item)).items():
        text = bytes(raw).decode().strip()
        if text.startswith('"'):
            with suppress(msgspec.DecodeError):
                text = msgspec.json.decode(text, type=str)
        if text != "null" and not text.startswith(("{", "[")):
            flat[name] = text
    return flat


def _time(timestamp: str) -> datetime:
    if not _DIGITS.fullmatch(timestamp):
        return from_text(timestamp)
    value = float(timestamp) if "." in timestamp else int(timestamp)
    return from_epoch(value if value < _MAX_SECONDS else value / 1000)
