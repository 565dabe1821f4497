"""The OpenAPI description of trips and drivers' states."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from drf_spectacular.utils import extend_schema_view as describe
from msgspec import Meta

from tracking.openapi.parts import Address, page_parameters, responses
from tracking.rest.grants import NewestFirst
from tracking.rest.nearby import DEFAULT_COUNT, MAX_COUNT, ORDERS, NearbyDrivers, NearbyView
from tracking.rest.share_token import ShareTokenView
from tracking.rest.shares import NewShare, ShareDetails, ShareViewSet
from tracking.rest.states import StateDetails, StateInput, StateView
from tracking.rest.trip_input import (
    AssignInput,
    CreateInput,
    EndInput,
    StatusInput,
    TripListInput,
    WaypointField,
)
from tracking.rest.trip_output import TripDetails
from tracking.rest.trips import TripViewSet
from tracking.trips.waypoints import MAX_NAME, MAX_RADIUS, MIN_RADIUS

Radius: TypeAlias = Annotated[float, Meta(ge=MIN_RADIUS, le=MAX_RADIUS)]


class GivenWaypoint(msgspec.Struct):
    """A place of a new trip, WGS 84 degrees."""

    kind: Literal["pickup", "stop", "dropoff"]
    lat: float | str
    lon: float | str
    name: Annotated[
        Annotated[str, Meta(max_length=MAX_NAME)] | None,
        Meta(description="An address, or what people call it."),
    ] = None
    arriving_radius: Annotated[
        Radius | None, Meta(description="From here on the driver is about to arrive, in metres.")
    ] = None
    arrived_radius: Annotated[
        Radius | None, Meta(description="A driver who stands in here has arrived, in metres.")
    ] = None


class TripPage(msgspec.Struct):
    """A page of trips, the newest first."""

    next: Address
    previous: Address
    results: list[TripDetails]


class SharePage(msgspec.Struct):
    """A page of live links to a trip, the newest first."""

    next: Address
    previous: Address
    results: list[ShareDetails]


for component, serializer in (
    ("CreateTrip", CreateInput),
    ("AssignTrip", AssignInput),
    ("SetTripStatus", StatusInput),
    ("EndTrip", EndInput),
    ("SetState", StateInput),
):
    extend_schema_serializer(component_name=component)(serializer)

extend_schema_field(GivenWaypoint)(WaypointField)  # type: ignore[arg-type]  # see `structs`

_CHANGED: Final = responses({200: TripDetails}, 400, 404, 409, 415)

describe(
    list=extend_schema(
        operation_id="list_trips",
        summary="List trips, the newest first",
        description="Staff see all trips; riders and drivers their own.",
        parameters=[TripListInput, *page_parameters(NewestFirst)],
        responses=responses({200: TripPage}, 400, 404),
    ),
    create=extend_schema(
        operation_id="create_trip",
        summary="Create a trip, and with a driver, assign it",
        request=CreateInput,
        responses=responses({201: TripDetails}, 400, 409, 415),
    ),
    retrieve=extend_schema(
        operation_id="get_trip",
        summary="Get a trip",
        responses=responses({200: TripDetails}, 404),
    ),
    assign=extend_schema(
        operation_id="assign_trip",
        summary="Give a trip to a driver, or to another one",
        description="With null, the trip waits for another driver. If another trip has the driver,"
        " the response is 409, and `trip` and `reference` say which one.",
        request=AssignInput,
        responses=_CHANGED,
    ),
    status=extend_schema(
        operation_id="set_trip_status",
        summary="Set the status of a trip, for staff and its driver",
        description="The driver may only move it forward.",
        request=StatusInput,
        responses=_CHANGED,
    ),
    complete=extend_schema(
        operation_id="complete_trip",
        summary="End a trip that has arrived, for staff and its driver",
        request=EndInput,
        responses=_CHANGED,
    ),
    cancel=extend_schema(
        operation_id="cancel_trip",
        summary="End a trip that is not driven",
        request=EndInput,
        responses=_CHANGED,
    ),
)(extend_schema(tags=["trips"])(TripViewSet))

describe(
    list=extend_schema(
        operation_id="list_trip_shares",
        summary="List the live links to a trip, for its riders and staff",
        parameters=page_parameters(NewestFirst),
        responses=responses({200: SharePage}, 404),
    ),
    create=extend_schema(
        operation_id="share_trip",
        summary="Create a link that shows a trip to whoever has it",
        description="No other answer has the URL. A trip has at most five live links.",
        request=None,
        responses=responses({201: NewShare}, 404, 409),
    ),
    destroy=extend_schema(
        operation_id="revoke_trip_share",
        summary="End a link to a trip",
        responses=responses({204: None}, 404),
    ),
)(extend_schema(tags=["trips"])(ShareViewSet))

# Only the page of a link calls it, with the link as the credential.
describe(post=extend_schema(exclude=True))(ShareTokenView)

describe(
    get=extend_schema(
        operation_id="nearby_drivers",
        tags=["trips"],
        summary="Search the nearest free drivers, for dispatch",
        description="Only drivers that are available, and not offline.",
        parameters=[
            OpenApiParameter("lat", float, required=True, description="WGS 84 degrees."),
            OpenApiParameter("lon", float, required=True, description="WGS 84 degrees."),
            OpenApiParameter("radius", float, description="Only those within so many metres."),
            OpenApiParameter(
                "count",
                {"type": "integer", "minimum": 1, "maximum": MAX_COUNT, "default": DEFAULT_COUNT},
            ),
            OpenApiParameter(
                "max_age", float, description="Only locations at most so many seconds old."
            ),
            OpenApiParameter("vehicle_type", str, description="Only vehicles of this type."),
            OpenApiParameter(
                "order_by",
                {"type": "string", "enum": list(ORDERS), "default": ORDERS[0]},
                description="Without a routing engine, both are the order of the distance.",
            ),
        ],
        responses=responses({200: NearbyDrivers}, 400),
    )
)(NearbyView)

describe(
    get=extend_schema(
        operation_id="get_state",
        tags=["trips"],
        summary="Get a driver's state, for the driver and staff",
        responses=responses({200: StateDetails}, 404),
    ),
    put=extend_schema(
        operation_id="set_state",
        tags=["trips"],
        summary="Begin or end a driver's shift",
        description="Drivers set `available` and `non_operational`; staff set every state that may"
        " follow the present one.",
        request=StateInput,
        responses=responses({200: StateDetails}, 400, 409, 415),
    ),
)(StateView)
