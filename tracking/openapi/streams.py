"""The OpenAPI description of the streams over HTTP."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe

from tracking.openapi.parts import BBOX, ETAG, UNCHANGED, responses
from tracking.streams.views import (
    EVENT_STREAM,
    DriverStreamView,
    FleetStreamView,
    NearbyStreamView,
    TripStreamView,
)

_FRAMES: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "object", "additionalProperties": True},
}


def _stream(
    name: str, summary: str, *problems: int, parameters: list[OpenApiParameter] | None = None
) -> Any:
    return describe(
        get=extend_schema(
            operation_id=name,
            tags=["streams"],
            summary=summary,
            description="The frames of the socket as server-sent events: each is the data of one"
            " event. A comment comes after 15 s without a frame. The event `close` has the close"
            " code and the reason of the socket. With `Accept: application/json` the answer is what"
            " is to be seen now, with an `ETag`, for polling.",
            parameters=[
                *(parameters or []),
                OpenApiParameter(
                    "If-None-Match",
                    str,
                    OpenApiParameter.HEADER,
                    description="With JSON: the ETag of an earlier response. If nothing has"
                    " changed, the response is 304.",
                ),
                ETAG,
            ],
            responses=responses(
                {
                    (200, EVENT_STREAM): OpenApiResponse({"type": "string"}, "The stream."),
                    (200, "application/json"): OpenApiResponse(_FRAMES, "The present frames."),
                    304: UNCHANGED,
                },
                *problems,
            ),
        )
    )


_stream("stream_location", "Stream a driver's location")(DriverStreamView)
_stream("stream_trip", "Stream a trip, and the location of its driver", 410)(TripStreamView)
_stream("stream_fleet", "Stream all drivers, for staff", 400, parameters=[BBOX])(FleetStreamView)
_stream(
    "stream_nearby",
    "Stream the free cars near a place",
    400,
    parameters=[
        OpenApiParameter("lat", float, required=True, description="WGS 84 degrees."),
        OpenApiParameter("lon", float, required=True, description="WGS 84 degrees."),
    ],
)(NearbyStreamView)
