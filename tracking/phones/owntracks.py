"""OwnTracks' JSON, as its apps send it in HTTP mode: https://owntracks.org/booklet/tech/json/"""

from typing import Final

import msgspec

from tracking.phones.readings import KILOMETRE_PER_HOUR, from_epoch, measurement
from tracking.protocol import Measurement
from tracking.rest.bodies import decode_body


class Message(msgspec.Struct, rename={"kind": "_type"}):
    """What all messages have."""

    kind: str


class Location(msgspec.Struct):
    """`tst` in seconds since 1970, `acc` in metres, `vel` in km/h, `cog` in degrees."""

    lat: float | None = None
    lon: float | None = None
    tst: float | None = None
    acc: float | None = None
    vel: float | None = None
    cog: float | None = None


_message_decoder: Final = msgspec.json.Decoder(Message)
_location_decoder: Final = msgspec.json.Decoder(Location)


def parse(body: bytes) -> Measurement | None:
    """Return the measurement of a location message; None for the messages of other types.

    An empty body is what the app sends where MQTT would delete a retained message. Raises
    `InvalidMessage`.
    """
    if not body or decode_body(_message_decoder, body).kind != "location":
        return None
    location = decode_body(_location_decoder, body)
    return measurement(
        location.lat,
        location.lon,
        None if location.tst is None else from_epoch(location.tst),
        heading=location.cog,
        speed=None if location.vel is None else location.vel * KILOMETRE_PER_HOUR,
        accuracy=location.acc,
    )
