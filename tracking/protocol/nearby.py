"""The wire protocol of the route for cars nearby. Pure functions on text, as in `protocol`."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from tracking.protocol import Start, Stop, decode, degrees, format_degrees, frames
from tracking.protocol.encoding import encode

# About 11 m: exact enough for a picture of a car on a map.
DECIMALS: Final = 4


class Place(NamedTuple):
    """WGS 84 degrees."""

    latitude: float
    longitude: float


class NearbyStart(Start, tag="start"):
    """The payload that begins a stream of the cars near a place, or moves the place."""

    lat: float | str | None = None
    lon: float | str | None = None

    @property
    def place(self) -> Place:
        """Return the place; raise `InvalidLocation`."""
        return Place(degrees("lat", self.lat, 90), degrees("lon", self.lon, 180))


class NearbyMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: NearbyStart | Stop


_decoder: Final = msgspec.json.Decoder(NearbyMessage)
_SHAPE: Final = '"token": …, "command": "start", "lat": …, "lon": …'
_EMPTY: Final = encode(frames.NearbyCars([]))


def decode_nearby_message(text: str) -> NearbyStart | Stop:
    """Return the payload of a message; raise `InvalidMessage`, `InvalidLocation` for the place."""
    payload = decode(_decoder, text, _SHAPE).payload
    if isinstance(payload, NearbyStart):
        _ = payload.place
    return payload


def encode_id(car_id: str) -> str:
    """Return the begin of an encoded car; `encode_place` returns the rest.

    They are added for each rider and car, so this is done by hand.
    """
    return f'{{"id": "{car_id}", '


def encode_place(latitude: float, longitude: float) -> str:
    """Return the rest of an encoded car, the same for all riders."""
    lat = format_degrees(round(latitude, DECIMALS) + 0.0)
    lon = format_degrees(round(longitude, DECIMALS) + 0.0)
    return f'"location_lat": "{lat}", "location_lon": "{lon}"}}'


def encode_cars(cars: Iterable[str]) -> str:
    """Return the frame for encoded cars."""
    return _EMPTY.replace("[]", f"[{', '.join(cars)}]", 1)
