"""The OpenAPI description of the history: tracks, past moments, exports."""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from msgspec import Meta

from tracking.history.formats import CSV_HEADER, Point
from tracking.history.pages import MAX_POINTS
from tracking.history.summary import Gap, Stop
from tracking.openapi.parts import BBOX, Address, Location, responses
from tracking.protocol import frames
from tracking.rest.export import ExportView
from tracking.rest.past import FleetAtView
from tracking.rest.track import Erasure, TrackView
from tracking.rest.tracks import FORMATS
from tracking.rest.windows import MAX_PURPOSE

DateTime: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class TrackGeometry(msgspec.Struct):
    """A LineString; with one fix a MultiPoint."""

    type: Annotated[str, Meta(extra_json_schema={"enum": ["LineString", "MultiPoint"]})]
    coordinates: Annotated[
        list[tuple[float, float]], Meta(description="[longitude, latitude], WGS 84 degrees.")
    ]


class TrackProperties(msgspec.Struct, rename={"user_id": "userId"}):
    """The lists are in step with the coordinates, in the order of time."""

    user_id: frames.Id
    datetimes: list[DateTime]
    speed: Annotated[list[float | None], Meta(description="Metres per second.")]
    heading: Annotated[list[float | None], Meta(description="Degrees from true north.")]
    accuracy: Annotated[list[float | None], Meta(description="Metres.")]
    flags: Annotated[
        list[list[str]],
        Meta(description="Why a fix does not count: `jump`, `mock`, `inaccurate`."),
    ]
    distance: Annotated[float, Meta(description="Metres, of all fixes of the page.")]
    stops: list[Stop]
    gaps: list[Gap]
    next: Address


class Track(msgspec.Struct):
    """A driver's track, a GeoJSON Feature that is an OGC MF-JSON Trajectory."""

    type: Annotated[str, Meta(extra_json_schema={"enum": ["Feature"]})]
    geometry: Annotated[TrackGeometry | None, Meta(description="Null without a fix.")]
    properties: TrackProperties


class TrackPoint(Point):
    """A line of NDJSON: one fix."""


class PastLocations(msgspec.Struct):
    """Locations at a past moment, ordered by the ids of the drivers."""

    time: DateTime
    results: list[Location]


_ZONE: Final = OpenApiParameter(
    "tz", str, description="The time zone of the other times, such as Europe/Helsinki."
)
_PURPOSE: Final = OpenApiParameter(
    "purpose",
    {"type": "string", "maxLength": MAX_PURPOSE},
    description="The reason for the look, for the audit trail.",
)
_TIME: Final = {"type": "string", "format": "date-time"}


def _file(description: str) -> OpenApiResponse:
    return OpenApiResponse(OpenApiTypes.STR, description)


def _media_type(kind: str) -> str:
    return FORMATS[kind].partition(";")[0]


_TRACKS: Final[dict[Any, Any]] = {
    (200, _media_type("geojson")): Track,
    (200, _media_type("gpx")): _file("GPX 1.1."),
    (200, _media_type("csv")): _file(f"The columns {CSV_HEADER}."),
    (200, _media_type("ndjson")): OpenApiResponse(TrackPoint, "One such object in each line."),
    304: OpenApiResponse(description="Nothing has changed."),
}

describe(
    get=extend_schema(
        operation_id="get_track",
        tags=["history"],
        summary="Get a driver's track, for staff and the driver",
        description="By default of the last 24 hours. A look of staff is recorded. Beyond"
        f" {MAX_POINTS:,} points, the response ends at a full hour, and the header `Link` has the"
        " URL of the next page.",
        parameters=[
            OpenApiParameter(
                "from",
                _TIME,
                description="The first moment, with its offset or with `tz`. Default: 24 hours"
                " before the end.",
            ),
            OpenApiParameter("to", _TIME, description="The end, exclusively. Default: now."),
            OpenApiParameter(
                "day",
                {"type": "string", "format": "date"},
                description="In place of `from` and `to`: a day of the time zone `tz`, by default"
                " of UTC.",
            ),
            _ZONE,
            OpenApiParameter("format", str, enum=list(FORMATS), default="geojson"),
            OpenApiParameter(
                "max_points",
                {"type": "integer", "minimum": 2, "maximum": MAX_POINTS},
                description="Thin the line to so many points and keep its shape. The distance,"
                " stops and gaps stay those of all fixes. For GeoJSON alone.",
            ),
            _PURPOSE,
            OpenApiParameter(
                "If-None-Match",
                str,
                OpenApiParameter.HEADER,
                description="The ETag of an earlier response. If nothing has changed, the response"
                " is 304.",
            ),
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
        ],
        responses=responses(_TRACKS, 400),
    ),
    delete=extend_schema(
        operation_id="erase_track",
        tags=["history"],
        summary="Erase a driver's track, for staff",
        description="Deletes what was recorded before a time, for ever: a restored backup and late"
        " reports do not bring it back. Only what is held stays, until it is released.",
        parameters=[
            OpenApiParameter(
                "before",
                _TIME,
                required=True,
                description="With its offset or with `tz`, and not in the future.",
            ),
            _ZONE,
        ],
        responses=responses({200: Erasure}, 400),
    ),
)(TrackView)

describe(
    get=extend_schema(
        operation_id="export_history",
        tags=["history"],
        summary="Export everything that is kept about one person, for staff and that person",
        description="A zip with a README in plain words.",
        parameters=[_PURPOSE],
        responses=responses({(200, "application/zip"): OpenApiTypes.BINARY}, 400),
    )
)(ExportView)

describe(
    get=extend_schema(
        operation_id="get_past_locations",
        tags=["history"],
        summary="Get the locations of all drivers at a past moment, for staff",
        description="Each driver's newest fix at that time, if it is at most a day old, with the"
        " status of that time.",
        parameters=[
            OpenApiParameter(
                "time",
                _TIME,
                required=True,
                description="With its offset or with `tz`, and not in the future.",
            ),
            _ZONE,
            BBOX,
            _PURPOSE,
        ],
        responses=responses({200: PastLocations}, 400),
    )
)(FleetAtView)
