"""The OpenAPI description of tracks, which those of drivers and of trips share."""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import Meta

from tracking.history.formats import CSV_HEADER, Point
from tracking.history.pages import MAX_POINTS
from tracking.history.summary import Gap, Stop
from tracking.openapi.parts import IF_NONE_MATCH, UNCHANGED, Address
from tracking.protocol import frames
from tracking.rest.tracks import FORMATS
from tracking.rest.windows import MAX_PURPOSE

DateTime: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class TrackGeometry(msgspec.Struct):
    """A LineString; with one fix a MultiPoint."""

    type: Annotated[str, Meta(extra_json_schema={"enum": ["LineString", "MultiPoint"]})]
    coordinates: Annotated[
        list[tuple[float, float]], Meta(description="[longitude, latitude], WGS 84 degrees.")
    ]


class TrackLists(msgspec.Struct, kw_only=True):
    """The lists are in step with the coordinates, in the order of time."""

    datetimes: list[DateTime]
    speed: Annotated[list[float | None], Meta(description="Metres per second.")]
    heading: Annotated[list[float | None], Meta(description="Degrees from true north.")]
    accuracy: Annotated[list[float | None], Meta(description="Metres.")]
    flags: Annotated[
        list[list[str]],
        Meta(description="Why a fix does not count: `jump`, `mock`, `inaccurate`."),
    ]
    battery: Annotated[
        list[int | None] | msgspec.UnsetType, Meta(description="Percent, with `with=phone`.")
    ] = msgspec.UNSET
    charging: Annotated[
        list[bool | None] | msgspec.UnsetType, Meta(description="With `with=phone`.")
    ] = msgspec.UNSET
    distance: Annotated[float, Meta(description="Metres, of all fixes of the page.")]
    stops: list[Stop]
    gaps: list[Gap]
    next: Address


class TrackProperties(TrackLists, rename={"user_id": "userId"}):
    """The lists are in step with the coordinates, in the order of time."""

    user_id: frames.Id


class Track(msgspec.Struct):
    """A driver's track, a GeoJSON Feature that is an OGC MF-JSON Trajectory."""

    type: Annotated[str, Meta(extra_json_schema={"const": "Feature"})]
    geometry: Annotated[TrackGeometry | None, Meta(description="Null without a fix.")]
    properties: TrackProperties


class TripDriver(msgspec.Struct, rename={"user_id": "userId", "since": "from", "until": "to"}):
    """A driver and the time in which it had the trip."""

    user_id: frames.Id
    since: DateTime
    until: DateTime


class StreetGeometry(msgspec.Struct):
    """A line for each part of the way that is connected."""

    type: Annotated[str, Meta(extra_json_schema={"const": "MultiLineString"})]
    coordinates: list[list[tuple[float, float]]]


class MatchedWay(msgspec.Struct):
    """The way on the streets that the fixes of a finished trip followed, by a routing engine."""

    distance: Annotated[float, Meta(description="Metres.")]
    geometry: StreetGeometry


class TripTrackProperties(TrackLists, rename={"trip_id": "tripId"}):
    """The lists are in step with the coordinates, in the order of time."""

    trip_id: int
    reference: str
    drivers: list[TripDriver]
    duration: Annotated[float, Meta(description="The seconds of the drivers' times together.")]
    matched: Annotated[
        MatchedWay | None,
        Meta(description="Of the whole trip, for those who see all of it. Null without one."),
    ]


class TripTrack(msgspec.Struct):
    """The track of a trip, a GeoJSON Feature that is an OGC MF-JSON Trajectory.

    Each driver's part follows that of the one before. The line between them is nobody's way.
    """

    type: Annotated[str, Meta(extra_json_schema={"const": "Feature"})]
    geometry: Annotated[TrackGeometry | None, Meta(description="Null without a fix.")]
    properties: TripTrackProperties


class TrackPoint(Point):
    """A line of NDJSON: one fix."""


ZONE: Final = OpenApiParameter(
    "tz", str, description="The time zone of the other times, such as Europe/Helsinki."
)
PURPOSE: Final = OpenApiParameter(
    "purpose",
    {"type": "string", "maxLength": MAX_PURPOSE},
    description="The reason for the look, for the audit trail.",
)


def _file(description: str) -> OpenApiResponse:
    return OpenApiResponse(OpenApiTypes.STR, description)


def _media_type(kind: str) -> str:
    return FORMATS[kind].partition(";")[0]


def tracks(geojson: type[msgspec.Struct]) -> dict[Any, Any]:
    """Return the responses with a track, one for each format."""
    return {
        (200, _media_type("geojson")): geojson,
        (200, _media_type("gpx")): _file("GPX 1.1."),
        (200, _media_type("csv")): _file(f"The columns {CSV_HEADER}."),
        (200, _media_type("ndjson")): OpenApiResponse(TrackPoint, "One such object in each line."),
        304: UNCHANGED,
    }


OF_TRACKS: Final = (
    OpenApiParameter("format", str, enum=list(FORMATS), default="geojson"),
    OpenApiParameter(
        "max_points",
        {"type": "integer", "minimum": 2, "maximum": MAX_POINTS},
        description="Thin the line to so many points and keep its shape. The distance, stops and"
        " gaps stay those of all fixes. For GeoJSON alone.",
    ),
    OpenApiParameter(
        "with",
        str,
        enum=["phone"],
        description="Add the lists `battery` and `charging`. For GeoJSON alone.",
    ),
    PURPOSE,
    IF_NONE_MATCH,
    OpenApiParameter(
        "ETag",
        str,
        OpenApiParameter.HEADER,
        response=[200, 304],
        description="For windows that ended at least five minutes ago.",
    ),
    OpenApiParameter(
        "Link", str, OpenApiParameter.HEADER, response=[200], description="The next page."
    ),
)
