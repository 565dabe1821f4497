"""The OpenAPI description of the dispatcher's console: drivers and alerts."""

from typing import Final

from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_serializer,
)
from drf_spectacular.utils import extend_schema_view as describe

from tracking.models import State
from tracking.openapi.parts import ETAG, IF_NONE_MATCH, UNCHANGED, responses
from tracking.rest.alerts import (
    AcknowledgeInput,
    AcknowledgeView,
    AlertDetails,
    Alerts,
    AlertsView,
)
from tracking.rest.driver_panel import DriverPanel, DriverPanelView
from tracking.rest.driver_rows import ORDERS, STATUSES
from tracking.rest.drivers import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Drivers,
    DriversView,
    Filters,
    FiltersView,
    Matches,
    MatchesView,
)

_STATES: Final = list(State.values)

extend_schema_serializer(component_name="AcknowledgeAlert")(AcknowledgeInput)

_FILTERS: Final = [
    OpenApiParameter("state", {"type": "string", "enum": _STATES}),
    OpenApiParameter("status", {"type": "string", "enum": list(STATUSES)}),
    OpenApiParameter("vehicle_type", str),
    OpenApiParameter("zone", int, description="Only drivers who are in this zone."),
    OpenApiParameter("search", str, description="Part of a name or e-mail address, or an id."),
]

describe(
    get=extend_schema(
        operation_id="list_drivers",
        tags=["fleet"],
        summary="List the drivers, for staff",
        description="Also those off duty or without a location. In a state, those who have it for"
        " the longest time are first; with `waiting` the available drivers come first.",
        parameters=[
            *_FILTERS,
            OpenApiParameter(
                "sort", {"type": "string", "enum": list(ORDERS), "default": next(iter(ORDERS))}
            ),
            OpenApiParameter(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                },
            ),
            OpenApiParameter(
                "after", str, description="The `next` of a page with the same filters and order."
            ),
        ],
        responses=responses({200: Drivers}, 400),
    )
)(DriversView)

describe(
    get=extend_schema(
        operation_id="list_filters",
        tags=["fleet"],
        summary="List what the drivers can be filtered by",
        responses=responses({200: Filters}),
    )
)(FiltersView)

describe(
    get=extend_schema(
        operation_id="list_matches",
        tags=["fleet"],
        summary="List the ids of the drivers that match filters, for staff",
        description="For a map that has the drivers from a stream. Poll it with the ETag.",
        parameters=[*_FILTERS, IF_NONE_MATCH, ETAG],
        responses=responses({200: Matches, 304: UNCHANGED}, 400),
    )
)(MatchesView)

describe(
    get=extend_schema(
        operation_id="get_driver",
        tags=["fleet"],
        summary="Get a driver and what happened today, for staff",
        parameters=[
            OpenApiParameter(
                "time_zone",
                str,
                description="An IANA name, such as Europe/Helsinki: when today begins.",
            )
        ],
        responses=responses({200: DriverPanel}, 400, 404),
    )
)(DriverPanelView)

describe(
    get=extend_schema(
        operation_id="list_alerts",
        tags=["fleet"],
        summary="List drivers' alerts, for staff",
        description="Those that nobody has acknowledged first, of each the newest first, at most"
        " 200. Poll it with the ETag.",
        parameters=[
            OpenApiParameter(
                "open",
                {"type": "string", "enum": ["true", "false"], "default": "true"},
                description="False: those that have ended.",
            ),
            OpenApiParameter("driver", str, description="Only those of this driver."),
            IF_NONE_MATCH,
            ETAG,
        ],
        responses=responses({200: Alerts, 304: UNCHANGED}, 400),
    )
)(AlertsView)

describe(
    post=extend_schema(
        operation_id="acknowledge_alert",
        tags=["fleet"],
        summary="Acknowledge an alert",
        description="The first dispatcher stays; later calls change nothing, and the response says"
        " who it is.",
        request=AcknowledgeInput,
        responses=responses({200: AlertDetails}, 400, 404, 415),
    )
)(AcknowledgeView)
