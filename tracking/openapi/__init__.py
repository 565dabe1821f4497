"""What OpenAPI says of the REST API, for projects that have drf-spectacular installed.

Said here and not at the views, which work without it. Importing this describes them.
"""

from functools import partial

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from drf_spectacular.utils import extend_schema_view as describe

import tracking.openapi.structs  # noqa: F401 - drf-spectacular finds the extension
from tracking.openapi.parts import (
    BATCH,
    FIX,
    OSMAND_ANSWER,
    OSMAND_BODIES,
    OSMAND_PARAMETERS,
    OWNTRACKS_BODY,
    STORED,
    STORED_BATCH,
    GrantProblem,
    Location,
    LocationPage,
    PageToken,
    SearchResults,
    page_parameters,
    responses,
)
from tracking.phones.views import OsmAndView, OwnTracksView
from tracking.rest.fleet import ByDriver, FleetView
from tracking.rest.grants import (
    GrantOutput,
    GrantViewSet,
    ListInput,
    NewestFirst,
    OpenInput,
    RescheduleInput,
)
from tracking.rest.locations import BatchView, LocationView
from tracking.rest.search import SearchView
from tracking.rest.session_token import SessionTokenView

describe(
    get=extend_schema(
        operation_id="get_location",
        tags=["locations"],
        summary="Where a driver is",
        parameters=[
            OpenApiParameter(
                "If-None-Match",
                str,
                OpenApiParameter.HEADER,
                description="The ETag of the last answer: 304 if it is still right.",
            ),
            OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 304]),
        ],
        responses=responses(
            {200: Location, 304: OpenApiResponse(description="What the ETag is of.")}, 404
        ),
    ),
    put=extend_schema(
        operation_id="report_location",
        tags=["locations"],
        summary="Report a location",
        description="Answered once it is committed. A late one never moves the dot back.",
        request={"application/json": FIX},
        responses=responses(STORED, 400, 413),
    ),
)(LocationView)

describe(
    post=extend_schema(
        operation_id="report_locations",
        tags=["locations"],
        summary="Report what was measured while offline",
        description="The newest becomes the location, unless it is older than what is stored. Each"
        " fix is judged by itself; 400 means that none of them can be.",
        request={"application/json": BATCH},
        responses=responses(STORED_BATCH, 400, 413),
    )
)(BatchView)

describe(
    get=extend_schema(
        operation_id="list_locations",
        tags=["locations"],
        summary="Where all drivers are, for staff",
        parameters=[
            OpenApiParameter(
                "bbox",
                str,
                description="west,south,east,north in WGS 84 degrees; a west beyond the east spans"
                " the antimeridian, and longitudes beyond 180 wrap.",
            ),
            *page_parameters(ByDriver),
        ],
        responses=responses({200: LocationPage}, 400, 404),
    )
)(FleetView)

describe(
    get=extend_schema(
        operation_id="search_locations",
        tags=["locations"],
        summary="Located drivers by name, address or id, for staff",
        parameters=[OpenApiParameter("q", str, description="A part of a name or an address.")],
        responses=responses({200: SearchResults}),
    )
)(SearchView)

describe(
    post=extend_schema(
        operation_id="page_token",
        tags=["tokens"],
        summary="An access token for a page that is logged in with a web session",
        description="Needs the CSRF token of a page. Ends with the web session.",
        request=None,
        responses=responses({200: PageToken}),
    )
)(SessionTokenView)

describe(
    post=extend_schema(
        operation_id="report_by_owntracks",
        tags=["phone apps"],
        summary="OwnTracks in HTTP mode",
        description="Messages other than locations are taken, and change nothing. One that can"
        " never be taken is dropped, which the header `Tracking-Rejected` says; one that is"
        " encrypted is answered 400. Too often is 503.",
        request={"application/json": OWNTRACKS_BODY},
        responses=responses(
            {200: OpenApiResponse({"type": "array", "maxItems": 0}, "Nothing for the app.")}, 400
        ),
    )
)(OwnTracksView)

describe(
    get=extend_schema(
        operation_id="report_by_osmand",
        tags=["phone apps"],
        summary="Traccar Client up to 8, and others that speak the OsmAnd protocol",
        description="Without a place it is a sign of life.",
        parameters=OSMAND_PARAMETERS,
        responses=responses({200: OSMAND_ANSWER}),
    ),
    post=extend_schema(
        operation_id="report_by_traccar",
        tags=["phone apps"],
        summary="Traccar Client from 9, or the parameters in a form",
        description="Without a place it is a sign of life. Version 10 may send a list of objects"
        " with the form's keys.",
        request=OSMAND_BODIES,
        responses=responses({200: OSMAND_ANSWER}, 413),
    ),
)(OsmAndView)


for component, serializer in (
    ("Grant", GrantOutput),
    ("OpenGrant", OpenInput),
    ("RescheduleGrant", RescheduleInput),
):
    extend_schema_serializer(component_name=component)(serializer)


_grant_responses = partial(responses, body=GrantProblem)


describe(
    list=extend_schema(
        operation_id="list_grants",
        summary="Grants, the newest first",
        parameters=[ListInput, *page_parameters(NewestFirst)],
        responses=_grant_responses({200: GrantOutput(many=True)}, 400, 404),
    ),
    create=extend_schema(
        operation_id="open_grant",
        summary="Let somebody watch a driver",
        request=OpenInput,
        responses=_grant_responses({201: GrantOutput}, 400, 415),
    ),
    retrieve=extend_schema(
        operation_id="get_grant",
        summary="One grant",
        responses=_grant_responses({200: GrantOutput}, 404),
    ),
    partial_update=extend_schema(
        operation_id="reschedule_grant",
        summary="Move a grant's end",
        request=RescheduleInput,
        responses=_grant_responses({200: GrantOutput}, 400, 404, 415),
    ),
    end=extend_schema(
        operation_id="end_grant",
        summary="End a grant for good",
        request=None,
        responses=_grant_responses({200: GrantOutput}, 404),
    ),
    destroy=extend_schema(
        operation_id="delete_grant",
        summary="End a grant, and answer nothing",
        description="The history is kept.",
        responses=_grant_responses({204: None}, 404),
    ),
)(extend_schema(tags=["grants"])(GrantViewSet))
