"""The OpenAPI description of the history: tracks, past moments, exports."""

from typing import Final

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.utils import extend_schema_view as describe

from tracking.history.pages import MAX_POINTS
from tracking.openapi.parts import BBOX, Location, responses
from tracking.openapi.tracks import OF_TRACKS, PURPOSE, ZONE, DateTime, Track, TripTrack, tracks
from tracking.rest.export import ExportView
from tracking.rest.past import FleetAtView
from tracking.rest.track import Erasure, TrackView
from tracking.rest.trip_track import TripTrackView


class PastLocations(msgspec.Struct):
    """Locations at a past moment, ordered by the ids of the drivers."""

    time: DateTime
    results: list[Location]


_TIME: Final = {"type": "string", "format": "date-time"}

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
            ZONE,
            *OF_TRACKS,
        ],
        responses=responses(tracks(Track), 400),
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
            ZONE,
        ],
        responses=responses({200: Erasure}, 400),
    ),
)(TrackView)

describe(
    get=extend_schema(
        operation_id="get_trip_track",
        tags=["history"],
        summary="Get the track of a trip, for staff, its riders and its drivers",
        description="From when a driver got the trip until it ended, or now: of all drivers that"
        " had it, one after another. A driver gets its own part, riders what they were permitted to"
        " watch. Each look is recorded. A trip that nobody has driven has an empty track.",
        parameters=[
            OpenApiParameter(
                "from",
                _TIME,
                description="The first moment, with its offset or with `tz`. Default: the begin of"
                " the trip.",
            ),
            OpenApiParameter("to", _TIME, description="The end, exclusively. Default: its end."),
            ZONE,
            *OF_TRACKS,
        ],
        responses=responses(tracks(TripTrack), 400, 404),
    )
)(TripTrackView)

describe(
    get=extend_schema(
        operation_id="export_history",
        tags=["history"],
        summary="Export everything that is kept about one person, for staff and that person",
        description="A zip with a README in plain words.",
        parameters=[PURPOSE],
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
            ZONE,
            BBOX,
            PURPOSE,
        ],
        responses=responses({200: PastLocations}, 400),
    )
)(FleetAtView)
