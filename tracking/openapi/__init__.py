"""The OpenAPI description of the REST API, for projects that have drf-spectacular installed.

Importing this module adds the descriptions to the views, which work without drf-spectacular.
"""

from functools import partial

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from drf_spectacular.utils import extend_schema_view as describe

import tracking.openapi.fleet
import tracking.openapi.history
import tracking.openapi.streams
import tracking.openapi.structs
import tracking.openapi.trips
import tracking.openapi.webhooks  # noqa: F401 - as those above, describes its views
from tracking.openapi.parts import (
    BATCH,
    BBOX,
    ETAG,
    FIX,
    IF_NONE_MATCH,
    OSMAND_ANSWER,
    OSMAND_BODIES,
    OSMAND_PARAMETERS,
    OWNTRACKS_BODY,
    STORED,
    STORED_BATCH,
    UNCHANGED,
    GrantProblem,
    Location,
    LocationPage,
    PageToken,
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
from tracking.rest.search import SearchResults, SearchView
from tracking.rest.session_token import SessionTokenView

describe(
    get=extend_schema(
        operation_id="get_location",
        tags=["locations"],
        summary="Get a driver's location",
        parameters=[
            IF_NONE_MATCH,
            ETAG,
        ],
        responses=responses({200: Location, 304: UNCHANGED}, 404),
    ),
    put=extend_schema(
        operation_id="report_location",
        tags=["locations"],
        summary="Report a location",
        description="The response is sent once the location is stored. A location that is older"
        " than the stored one is accepted, but does not replace it.",
        request={"application/json": FIX},
        responses=responses(STORED, 400, 413),
    ),
)(LocationView)

describe(
    post=extend_schema(
        operation_id="report_locations",
        tags=["locations"],
        summary="Report locations that were measured while offline",
        description="The newest one replaces the stored location unless that is newer. Each fix is"
        " checked on its own, and invalid ones are listed in the response. If the body as a whole"
        " is invalid, the response is 400.",
        request={"application/json": BATCH},
        responses=responses(STORED_BATCH, 400, 413),
    )
)(BatchView)

describe(
    get=extend_schema(
        operation_id="list_locations",
        tags=["locations"],
        summary="List all drivers' locations, for staff",
        parameters=[
            BBOX,
            *page_parameters(ByDriver),
        ],
        responses=responses({200: LocationPage}, 400, 404),
    )
)(FleetView)

describe(
    get=extend_schema(
        operation_id="search_locations",
        tags=["locations"],
        summary="Search drivers by name, e-mail address or id, for staff",
        description="Finds only drivers that have a location.",
        parameters=[
            OpenApiParameter("q", str, description="Part of a name or e-mail address, or an id.")
        ],
        responses=responses({200: SearchResults}),
    )
)(SearchView)

describe(
    post=extend_schema(
        operation_id="page_token",
        tags=["tokens"],
        summary="Get an access token for a page with a web session",
        description="Requires the CSRF token of a page. The access token becomes invalid when the"
        " web session ends.",
        request=None,
        responses=responses({200: PageToken}),
    )
)(SessionTokenView)

describe(
    post=extend_schema(
        operation_id="report_by_owntracks",
        tags=["phone apps"],
        summary="Report from OwnTracks in HTTP mode",
        description="Messages other than locations are accepted and ignored. An invalid message is"
        " dropped, and the response 200 has the header `Tracking-Rejected` with the error code. An"
        " encrypted message is answered with 400, requests above the rate limit with 503.",
        request={"application/json": OWNTRACKS_BODY},
        responses=responses(
            {
                200: OpenApiResponse(
                    {"type": "array", "maxItems": 0}, "Accepted. No messages for the app."
                )
            },
            400,
        ),
    )
)(OwnTracksView)

describe(
    get=extend_schema(
        operation_id="report_by_osmand",
        tags=["phone apps"],
        summary="Report from Traccar Client up to 8, or another app with the OsmAnd protocol",
        description="A request without a location is a sign of life.",
        parameters=OSMAND_PARAMETERS,
        responses=responses({200: OSMAND_ANSWER}),
    ),
    post=extend_schema(
        operation_id="report_by_traccar",
        tags=["phone apps"],
        summary="Report from Traccar Client 9 or later, or with the parameters in a form",
        description="A request without a location is a sign of life. Version 10 may send a list of"
        " objects with the form's keys.",
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
        summary="List grants, the newest first",
        parameters=[ListInput, *page_parameters(NewestFirst)],
        responses=_grant_responses({200: GrantOutput(many=True)}, 400, 404),
    ),
    create=extend_schema(
        operation_id="open_grant",
        summary="Permit a user to watch a driver",
        request=OpenInput,
        responses=_grant_responses({201: GrantOutput}, 400, 415),
    ),
    retrieve=extend_schema(
        operation_id="get_grant",
        summary="Get a grant",
        responses=_grant_responses({200: GrantOutput}, 404),
    ),
    partial_update=extend_schema(
        operation_id="reschedule_grant",
        summary="Change when a grant ends",
        request=RescheduleInput,
        responses=_grant_responses({200: GrantOutput}, 400, 404, 415),
    ),
    end=extend_schema(
        operation_id="end_grant",
        summary="End a grant now, permanently",
        request=None,
        responses=_grant_responses({200: GrantOutput}, 404),
    ),
    destroy=extend_schema(
        operation_id="delete_grant",
        summary="End a grant now, with an empty response",
        description="The grant stays in the history.",
        responses=_grant_responses({204: None}, 404),
    ),
)(extend_schema(tags=["grants"])(GrantViewSet))
