"""Trips over HTTP: for staff and dispatch systems, and for the riders and drivers of a trip."""

from collections.abc import Callable
from typing import Any, Final

from django.db.models import Q, QuerySet
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import trips
from tracking.ids import MAX_ID
from tracking.models import FINAL, Trip, TripStatus
from tracking.rest.fields import user_id_field
from tracking.rest.grants import NewestFirst
from tracking.rest.inputs import AwareDateTimeField, Input, read
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.problems import Conflict
from tracking.rest.throttling import TripThrottle
from tracking.rest.trip_output import detail_of, sees_all, with_users
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView

# Without labels, so that OpenAPI has one name for them and for the answers' statuses.
STATUSES: Final = list(TripStatus.values)


class CreateInput(Input):
    reference = serializers.CharField(required=False, allow_blank=True)
    riders = serializers.ListField(child=user_id_field(min_value=1, max_value=MAX_ID))
    driver = user_id_field(min_value=1, max_value=MAX_ID, required=False, allow_null=True)
    waypoints = serializers.ListField(child=serializers.DictField(), required=False)
    vehicle = serializers.CharField(required=False, allow_blank=True)
    ends_at = AwareDateTimeField(required=False, allow_null=True)


class AssignInput(Input):
    driver = user_id_field(min_value=1, max_value=MAX_ID, allow_null=True)
    vehicle = serializers.CharField(required=False, allow_blank=True)
    reason = serializers.CharField(required=False, allow_blank=True)


class StatusInput(Input):
    status = serializers.ChoiceField(STATUSES)
    reason = serializers.CharField(required=False, allow_blank=True)


class EndInput(Input):
    reason = serializers.CharField(required=False, allow_blank=True)


class TripListInput(serializers.Serializer[Any]):
    status = serializers.ChoiceField(STATUSES, required=False)
    open = serializers.BooleanField(required=False)
    driver = user_id_field(required=False, max_value=MAX_ID)
    rider = user_id_field(required=False, max_value=MAX_ID)
    reference = serializers.CharField(required=False)


class TripViewSet(
    RestView,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Trip],
):
    """List, create, show, assign, drive and end trips.

    Staff need the permissions that the admin requires. Riders and the driver see their own trips;
    the driver may move the status forward. A trip of others is answered like one that is missing.
    """

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated,)
    throttle_classes = (TripThrottle,)
    parser_classes = (SafeJSONParser,)
    pagination_class = NewestFirst
    queryset = Trip.objects.all()

    def get_queryset(self) -> QuerySet[Trip]:
        user: Any = self.request.user
        found = with_users(super().get_queryset())
        if sees_all(user):
            return found
        own = Trip.riders.through._default_manager.filter(
            **{Trip.riders.field.m2m_reverse_field_name(): user.pk}
        )
        return found.filter(Q(driver=user.pk) | Q(pk__in=own.values("trip_id")))

    def list(self, request: Request) -> Response:
        # As a plain dict: in a QueryDict, as in an HTML form, a missing boolean would mean false.
        asked = TripListInput(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        page = self.paginate_queryset(_filtered(self.get_queryset(), **asked.validated_data))
        user: Any = request.user
        return self.get_paginated_response([detail_of(trip, user) for trip in page or ()])

    def create(self, request: Request) -> Response:
        self._require("add")
        trip = _valid(trips.create, **read(CreateInput, request), by=request.user.pk)
        return self._answer(trip, 201)

    def retrieve(self, request: Request, pk: str) -> Response:
        user: Any = request.user
        return Response(detail_of(self.get_object(), user))

    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        return self._change(trips.assign, AssignInput)

    @action(detail=True, methods=["post"])
    def status(self, request: Request, pk: str) -> Response:
        trip = self.get_object()
        if trip.driver_id == request.user.pk and not self._may("change"):
            asked = read(StatusInput, request)
            if asked["status"] == TripStatus.CANCELED:
                raise PermissionDenied("only staff may cancel a trip: ask dispatch")
            changed = _valid(trips.set_status, trip, **asked, forward_only=True, by=request.user.pk)
            return self._answer(changed)
        return self._change(trips.set_status, StatusInput)

    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        return self._change(trips.complete, EndInput)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        return self._change(trips.cancel, EndInput)

    def _change(self, function: Callable[..., Trip], kind: type[Input]) -> Response:
        trip = self.get_object()
        self._require("change")
        asked = read(kind, self.request)
        return self._answer(_valid(function, trip, **asked, by=self.request.user.pk))

    def _answer(self, trip: Trip, status: int = 200) -> Response:
        user: Any = self.request.user
        current = with_users(Trip.objects.filter(pk=trip.pk)).get()
        return Response(detail_of(current, user), status=status)

    def _may(self, wanted: str) -> bool:
        user: Any = self.request.user
        return bool(user.is_staff and user.has_perm(f"tracking.{wanted}_trip"))

    def _require(self, wanted: str) -> None:
        if not self._may(wanted):
            raise PermissionDenied("only staff with the permission for trips may do this")


def _filtered(
    found: QuerySet[Trip],
    *,
    open: bool | None = None,  # noqa: A002 - the parameter's name
    rider: Any = None,
    **fields: Any,
) -> QuerySet[Trip]:
    found = found.filter(**fields)
    if rider is not None:
        found = found.filter(riders=rider)
    if open is None:
        return found
    return found.exclude(status__in=FINAL) if open else found.filter(status__in=FINAL)


def _valid(function: Callable[..., Trip], *args: Any, **kwargs: Any) -> Trip:
    """Return the result; convert the errors of trips to those of REST framework."""
    try:
        return function(*args, **kwargs)
    except trips.InvalidTrip as error:
        raise serializers.ValidationError(error.reasons) from error
    except trips.DriverTaken as error:
        raise Conflict(
            str(error),
            code=error.code,
            driver=error.driver_id,
            trip=error.trip.pk,
            reference=error.trip.reference,
        ) from error
    except trips.DriverUnavailable as error:
        raise Conflict(
            str(error), code=error.code, driver=error.driver_id, state=error.state
        ) from error
    except trips.TripConflict as error:
        raise Conflict(str(error), code=error.code) from error
