"""OwnTracks' JSON, as its apps send it in HTTP mode: https://owntracks.org/booklet/tech/json/"""

from datetime import datetime
from typing import Any, Final

import msgspec
from rest_framework.exceptions import ParseError

from tracking.phones.readings import KILOMETRE_PER_HOUR, from_epoch, measurement
from tracking.protocol import InvalidMessage, Measurement
from tracking.rest.bodies import decode_body


class Encrypted(ParseError):
    """400 for an encrypted message. A 200 would make the app delete it, and it would be lost."""

    default_code = "encrypted"
    default_detail = (
        "this message is encrypted, which cannot be read here: empty the secret encryption key in "
        "the app's settings"
    )


class Message(msgspec.Struct, rename={"kind": "_type"}):
    """The key that all messages have."""

    kind: str


class Location(msgspec.Struct):
    """A location message.

    `tst` and `created_at` are seconds since 1970, `acc` is in metres, `vel` in km/h, `cog` in
    degrees. `created_at` is when the app created the message, which it may send much later. `batt`
    is in percent, `bs` is 1 for a phone on its battery, 2 for a charging one, and 3 for a full one.
    """

    lat: float | None = None
    lon: float | None = None
    tst: float | None = None
    acc: float | None = None
    vel: float | None = None
    cog: float | None = None
    created_at: Any = None
    batt: Any = None
    bs: Any = None


_message_decoder: Final = msgspec.json.Decoder(Message)
_location_decoder: Final = msgspec.json.Decoder(Location)


def parse(body: bytes) -> Measurement | None:
    """Return the measurement of a location message; None for messages of other types, for a
    location without coordinates, and for an empty body.

    The app sends an empty body where MQTT would delete a retained message. Raises `InvalidMessage`
    or `Encrypted`.
    """
    kind = decode_body(_message_decoder, body).kind if body else ""
    if kind == "encrypted":
        raise Encrypted
    if kind != "location":
        return None
    location = decode_body(_location_decoder, body)
    return measurement(
        location.lat,
        location.lon,
        None if location.tst is None else from_epoch(location.tst),
        heading=location.cog,
        speed=None if location.vel is None else location.vel * KILOMETRE_PER_HOUR,
        accuracy=location.acc,
        sent_at=_time(location.created_at),
        battery=location.batt,
        charging={1: False, 2: True, 3: True}.get(location.bs)
        if type(location.bs) is int
        else None,
    )


def _time(created_at: object) -> datetime | None:
    # It only helps to estimate the error of the phone's clock, so no fix is refused because of it.
    if not isinstance(created_at, int | float):
        return None
    try:
        return from_epoch(created_at)
    except InvalidMessage:
        return None
