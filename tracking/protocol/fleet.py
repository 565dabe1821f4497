"""The wire protocol of the fleet route: viewers' messages, and the batches that they get.

Pure functions on text, as in `protocol`. `docs/protocol.md` is the contract.
"""

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta

from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.protocol import InvalidMessage, Start, Stop, decode, frames
from tracking.protocol.encoding import details_of, encode

# A snapshot replaces the client's state of a viewport, an update adds to it. A large batch of
# either kind continues in updates.
Kind = Literal["snapshot", "update"]

_Longitude = Annotated[float, Meta(description="Beyond 180 it wraps, as on a map that is panned.")]
_Latitude = Annotated[float, Meta(ge=-90, le=90)]


class Bbox(NamedTuple):
    """A part of the earth, as in GeoJSON (RFC 7946): WGS 84 degrees, edges included.

    A box whose east is less than its west crosses the antimeridian.
    """

    west: _Longitude
    south: _Latitude
    east: _Longitude
    north: _Latitude

    def contains(self, latitude: float, longitude: float) -> bool:
        if not self.south <= latitude <= self.north:
            return False
        if self.west <= self.east:
            return self.west <= longitude <= self.east
        return longitude >= self.west or longitude <= self.east


class FleetStart(Start, tag="start"):
    """The payload that begins a stream of the fleet; without `bbox`, of all drivers."""

    # Any JSON, so that the error can describe a bounding box.
    bbox: Any = None


class FleetMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: FleetStart | Stop


_decoder: Final = msgspec.json.Decoder(FleetMessage)
_SHAPE: Final = '"token": …, "command": "start", "bbox": [west, south, east, north]'
_BBOX: Final = (
    "bbox must be [west, south, east, north] in degrees, latitudes from -90 to 90, "
    "south not above north"
)


def decode_fleet_message(text: str) -> FleetStart | Stop:
    """Return the payload of a message on the fleet's route; its `bbox` is a `Bbox` or None.

    Raise `InvalidMessage`.
    """
    payload = decode(_decoder, text, _SHAPE).payload
    if isinstance(payload, FleetStart):
        payload.bbox = None if payload.bbox is None else to_bbox(payload.bbox)
    return payload


def to_bbox(value: object) -> Bbox:
    """Return the bounding box of a list of four numbers; raise `InvalidMessage`.

    Longitudes beyond 180 are wrapped.
    """
    try:
        bbox = msgspec.convert(value, Bbox)
    except msgspec.ValidationError as error:
        raise InvalidMessage(_BBOX) from error
    # Negated, so that NaN is refused as well.
    if not (bbox.south <= bbox.north and isfinite(bbox.west) and isfinite(bbox.east)):
        raise InvalidMessage(_BBOX)
    if bbox.east - bbox.west >= 360:
        return bbox._replace(west=-180.0, east=180.0)
    # Each edge stays on the side of the antimeridian that the box is on.
    west = bbox.west if abs(bbox.west) <= 180 else (bbox.west + 180) % 360 - 180
    east = bbox.east if abs(bbox.east) <= 180 else 180 - (180 - bbox.east) % 360
    return bbox._replace(west=west, east=east)


def encode_name(name: str | None) -> msgspec.Raw:
    """Return the JSON of a driver's name, for `encode_item`.

    The JSON is ASCII only: one other character would make the text of a whole batch two to four
    times as large while it is assembled.
    """
    return msgspec.Raw(json.dumps(name).encode())


def encode_item(
    fix: Fix,
    status: str,
    name: msgspec.Raw,
    state: str | None = None,
    trip_id: int | None = None,
) -> str:
    """Return an item of the fleet, for `encode_batch`; without a state, without that key."""
    item = frames.FleetItem(
        *details_of(fix, status),
        name,
        UNSET if state is None else state,  # type: ignore[arg-type]  # one of `StateName`
        UNSET if trip_id is None else trip_id,
    )
    return encode(item)


def encode_batch(
    kind: Kind,
    items: Iterable[str],
    removed: Iterable[DriverId],
    counts: Mapping[str, int] | None,
    *,
    more: bool = False,
) -> str:
    """Return the frame for encoded items; other keys are left out if they are empty.

    With `more`, the batch continues in the next frame.
    """
    rest: Any = {
        "remove": list(removed) or UNSET,
        "counts": UNSET if counts is None else frames.Counts(**counts),
        "more": more or UNSET,
    }
    frame = (
        frames.Snapshot(snapshot=[], **rest)
        if kind == "snapshot"
        else frames.Update(update=[], **rest)
    )
    # The list of items is the first key. Encoding it here would format every item again.
    return encode(frame).replace("[]", f"[{', '.join(items)}]", 1)
