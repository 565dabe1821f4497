"""Alerts over HTTP, for dispatchers: polled every few seconds, and acknowledged."""

from typing import Annotated, Any, Final

import msgspec
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpResponse
from msgspec import Meta
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record
from tracking.alerts.acknowledge import acknowledge
from tracking.ids import UserId
from tracking.models import AlertKind, DriverAlert, LocationAccess
from tracking.people import USER_IDS, full_name
from tracking.permissions import may_view_trips
from tracking.protocol import Forbidden, format_time
from tracking.protocol.encoding import format_degrees
from tracking.protocol.frames import Id
from tracking.rest.conditional import conditional
from tracking.rest.inputs import Input, read
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.throttling import ReadThrottle, TripThrottle
from tracking.rest.trip_output import Time
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView
from tracking.rest.windows import check_names, choice_of, invalid

# More are no list that a person works through.
MAX_ALERTS: Final = 200
MAX_NOTE: Final = 200

PARAMETERS: Final = ("open", "driver")


class Person(msgspec.Struct, rename={"user_id": "userId"}):
    """A user with a name."""

    user_id: Id
    name: str


class TripName(msgspec.Struct):
    """A trip, and the name that the host gives it."""

    id: int
    reference: str


class AlertDetails(msgspec.Struct):
    """A condition of a driver on a trip."""

    id: int
    # Not as an enum: OpenAPI would need names for it and for the waypoints' kinds.
    kind: Annotated[str, Meta(description=f"One of: {', '.join(AlertKind.values)}.")]
    driver: Person
    trip: TripName
    since: Annotated[Time, Meta(description="When the condition began.")]
    until: Annotated[Time | None, Meta(description="When it ended; null while it lasts.")]
    location_lat: Annotated[str | None, Meta(description="Where the driver was then.")]
    location_lon: str | None
    acknowledged_at: Time | None
    acknowledged_by: Annotated[
        Person | None, Meta(description="Null if the user was deleted, or nobody has yet.")
    ]
    note: str


class Alerts(msgspec.Struct):
    """Alerts: those that nobody has acknowledged first, of each the newest first."""

    results: list[AlertDetails]
    total: Annotated[int, Meta(description="The number of all that match.")]


class MayViewAlerts(BasePermission):
    """Permits staff who may view last known locations and trips, or alerts."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: object) -> bool:
        user: Any = request.user
        return may_view_trips(user) or bool(
            user.is_staff
            and (
                user.has_perm("tracking.view_driveralert")
                or user.has_perm("tracking.change_driveralert")
            )
        )


class AlertsView(RestView):
    """Lists alerts: by default those that last."""

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated, MayViewAlerts)
    throttle_classes = (ReadThrottle,)

    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        check_names(query, PARAMETERS)
        is_open = choice_of(query, "open", ("true", "false")) == "true"
        found = DriverAlert.objects.filter(ended_at__isnull=is_open)
        if "driver" in query:
            driver_id = USER_IDS.parse(query.get("driver", ""))
            if driver_id is None:
                raise invalid("driver", f"Give one {USER_IDS.description}.")
            found = found.filter(driver=driver_id)  # type: ignore[misc]  # the demo's ids are integers
        # False comes before true: `acknowledged_at` as a column would sort by time.
        ordered = found.order_by("-since", "-pk")
        if is_open:
            waiting = list(_named(ordered.filter(acknowledged_at=None))[:MAX_ALERTS])
            others = ordered.filter(acknowledged_at__isnull=False)
            rows = waiting + list(_named(others)[: MAX_ALERTS - len(waiting)])
        else:
            rows = list(_named(ordered)[:MAX_ALERTS])
        total = len(rows) if len(rows) < MAX_ALERTS else found.count()
        if rows:
            drivers = sorted({row.driver_id for row in rows})
            record(request.user.pk, LocationAccess.Way.LIST, drivers)
        body = msgspec.json.encode(Alerts(details_of(rows), total))
        # The user's browser may store the response, and must revalidate it each time.
        headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
        return conditional(request._request, body, **headers)


class AcknowledgeInput(Input):
    note = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NOTE)


class AcknowledgeView(RestView):
    """Acknowledges an alert. The first dispatcher stays: the answer says who it is."""

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated, MayViewAlerts)
    throttle_classes = (TripThrottle,)
    parser_classes = (SafeJSONParser,)

    def post(self, request: Request, alert_id: int) -> Response:
        user: Any = request.user
        if not may_acknowledge(user):
            raise PermissionDenied("only staff who may change trips or alerts may do this")
        asked = read(AcknowledgeInput, request)
        get_object_or_404(DriverAlert.objects.only("pk"), pk=alert_id)
        acknowledge(alert_id, by=user.pk, note=asked.get("note", ""))
        (details,) = details_of([get_object_or_404(_named(DriverAlert.objects.all()), pk=alert_id)])
        return Response(msgspec.to_builtins(details))


def may_acknowledge(user: Any) -> bool:
    """Return True for staff who may change trips, or alerts."""
    return bool(
        user.is_staff
        and (user.has_perm("tracking.change_trip") or user.has_perm("tracking.change_driveralert"))
    )


def _named(alerts: Any) -> Any:
    return alerts.select_related("driver", "trip")


def details_of(alerts: list[DriverAlert]) -> list[AlertDetails]:
    """Return the answers for alerts that have their drivers and trips, in the same order."""
    ids = {pk for alert in alerts if (pk := alert.acknowledged_by_id) is not None}
    users = get_user_model()._default_manager.filter(pk__in=ids) if ids else ()
    names: dict[UserId | None, Person] = {user.pk: _person(user) for user in users}
    return [_details(alert, names) for alert in alerts]


def _details(alert: DriverAlert, names: dict[UserId | None, Person]) -> AlertDetails:
    return AlertDetails(
        alert.pk,
        alert.kind,
        _person(alert.driver),
        TripName(alert.trip_id, alert.trip.reference),
        format_time(alert.since),
        None if alert.ended_at is None else format_time(alert.ended_at),
        None if alert.latitude is None else format_degrees(alert.latitude),
        None if alert.longitude is None else format_degrees(alert.longitude),
        None if alert.acknowledged_at is None else format_time(alert.acknowledged_at),
        names.get(alert.acknowledged_by_id),
        alert.note,
    )


def _person(user: AbstractBaseUser) -> Person:
    return Person(user.pk, full_name(user))
