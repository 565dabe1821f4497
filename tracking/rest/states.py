"""A driver's state over HTTP: for the driver, and for staff."""

from typing import Annotated, Any, Final

import msgspec
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from tracking import states
from tracking.ids import DriverId
from tracking.models import DriverState, State
from tracking.permissions import may_publish
from tracking.protocol import Forbidden, format_time
from tracking.protocol.frames import Id, StateName
from tracking.rest.bridge import call_async
from tracking.rest.fields import DegreesField, NameField
from tracking.rest.inputs import Input, read
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.problems import Conflict
from tracking.rest.throttling import TripThrottle
from tracking.rest.trip_output import Time
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView

# What a driver may set; the others follow from trips.
OWN_STATES: Final = (State.AVAILABLE, State.NON_OPERATIONAL)


class StateDetails(msgspec.Struct, rename={"driver_id": "userId"}):
    """A driver's state since a time, and the trip that it belongs to."""

    driver_id: Id
    state: StateName
    since: Time
    trip: Annotated[int | None, Meta(description="The trip that the driver has now.")]
    vehicle_type: str


class StateInput(Input):
    state = NameField(list(State.values))
    reason = serializers.CharField(required=False, allow_blank=True)
    vehicle_type = serializers.CharField(required=False, allow_blank=True)
    lat = DegreesField(required=False, min_value=-90, max_value=90)
    lon = DegreesField(required=False, min_value=-180, max_value=180)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("lat" in attrs) != ("lon" in attrs):
            raise serializers.ValidationError(_("Give lat and lon, or neither."))
        return super().validate(attrs)


class MayReachState(BasePermission):
    """Permits the driver, and staff with the permission that the admin requires."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        driver_id = view.kwargs["driver_id"]
        wanted = "change" if request.method == "PUT" else "view"
        return may_as_staff(user, wanted) or (
            user.pk == driver_id and call_async(may_publish, user, driver_id)
        )


class StateView(RestView):
    """A driver's state."""

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated, MayReachState)
    throttle_classes = (TripThrottle,)
    parser_classes = (SafeJSONParser,)

    def get(self, request: Request, driver_id: DriverId) -> Response:
        row = states.state_of(driver_id)
        if row is None:
            raise NotFound("this driver has no state yet", "no_state")
        return Response(_details(row))

    def put(self, request: Request, driver_id: DriverId) -> Response:
        """Set the state. Setting it again changes nothing."""
        asked = read(StateInput, request)
        place = (asked.pop("lat"), asked.pop("lon")) if "lat" in asked else None
        if not may_as_staff(request.user, "change"):
            if asked["state"] not in OWN_STATES:
                raise PermissionDenied("a driver is reserved by a trip: ask dispatch")
            if "vehicle_type" in asked:
                raise PermissionDenied("only staff may set the type of the vehicle")
        try:
            row = states.set_state(driver_id, place=place, **asked, by=request.user.pk)
        except states.InvalidState as error:
            raise serializers.ValidationError(_by_member(error.reasons)) from error
        except states.StateConflict as error:
            trip = None if error.trip is None else error.trip.pk
            raise Conflict(
                str(error), code="state_conflict", state=error.state.value, trip=trip
            ) from error
        return Response(_details(row))


def may_as_staff(user: Any, wanted: str) -> bool:
    """Return True for staff with the permission `view` or `change` on drivers' states."""
    return bool(user.is_staff and user.has_perm(f"tracking.{wanted}_driverstate"))


def _by_member(reasons: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the reasons by the members of the body, which the driver is not."""
    return {
        api_settings.NON_FIELD_ERRORS_KEY if name == "driver" else name: messages
        for name, messages in reasons.items()
    }


def _details(row: DriverState) -> dict[str, Any]:
    details = StateDetails(
        row.driver_id,
        row.state,  # type: ignore[arg-type]  # a constraint keeps it to these
        format_time(row.since),
        row.trip_id,
        row.vehicle_type,
    )
    built: dict[str, Any] = msgspec.to_builtins(details)
    return built
