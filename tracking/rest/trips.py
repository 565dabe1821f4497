"""Trips over HTTP: for staff and dispatch systems, and for the riders and drivers of a trip."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import trips
from tracking.models import FINAL, Trip, TripStatus
from tracking.rest.conditional import conditional
from tracking.rest.grants import NewestFirst
from tracking.rest.inputs import Input, read
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.problems import Conflict
from tracking.rest.throttling import TripThrottle
from tracking.rest.trip_input import (
    AssignInput,
    CreateInput,
    EndInput,
    StatusInput,
    TripListInput,
)
from tracking.rest.trip_output import detail_of, sees_all, with_users
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView


class ByAge(NewestFirst):
    """Pages of the newest trips first, or with `sort=oldest` of those that wait longest."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        return ("id",) if request.query_params.get("sort") == "oldest" else ("-id",)


class TripViewSet(
    RestView,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Trip],
):
    """List, create, show, assign, drive and end trips.

    Staff need the permissions that the admin requires. Riders and the driver see their own trips;
    the driver may move the status forward, to the end. A trip of others is answered like one that
    is missing.
    """

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated,)
    throttle_classes = (TripThrottle,)
    parser_classes = (SafeJSONParser,)
    pagination_class = ByAge
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
        user: Any = request.user
        found = _filtered(self.get_queryset(), **asked.validated_data)
        if asked.validated_data.get("rider", user.pk) != user.pk and not sees_all(user):
            # Else a rider could find out who else rides.
            found = found.filter(driver=user.pk)
        page = self.paginate_queryset(found)
        return self.get_paginated_response([detail_of(trip, user) for trip in page or ()])

    def create(self, request: Request) -> Response:
        self._require("add")
        trip = _valid(trips.create, **read(CreateInput, request), by=request.user.pk)
        return self._answer(trip, 201)

    def retrieve(self, request: Request, pk: str) -> HttpResponseBase:
        user: Any = request.user
        body = JSONRenderer().render(detail_of(self.get_object(), user))
        return conditional(request._request, body)

    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        return self._change(trips.assign, AssignInput)

    @action(detail=True, methods=["post"])
    def status(self, request: Request, pk: str) -> Response:
        trip = self.get_object()
        limits = self._limits(trip)
        asked = read(StatusInput, request)
        if limits and asked["status"] == TripStatus.CANCELED:
            raise PermissionDenied("only staff may cancel a trip: ask dispatch")
        return self._answer(_valid(trips.set_status, trip, **asked, **limits, by=request.user.pk))

    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        trip = self.get_object()
        change = self._limits(trip) | read(EndInput, request)
        done = TripStatus.COMPLETE
        return self._answer(_valid(trips.set_status, trip, done, **change, by=request.user.pk))

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
        # Where it was written: a replica may not have it yet.
        stored = with_users(Trip.objects.using(trip._state.db))
        return Response(detail_of(get_object_or_404(stored, pk=trip.pk), user), status=status)

    def _limits(self, trip: Trip) -> dict[str, Any]:
        """Return the limits of the caller's changes of the status: none for staff.

        Raise PermissionDenied for others than the driver.
        """
        if trip.driver_id == self.request.user.pk and not self._may("change"):
            return {"forward_only": True, "driver": trip.driver_id}
        self._require("change")
        return {}

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
    assigned: bool | None = None,
    sort: str = "",  # the pages'
    **fields: Any,
) -> QuerySet[Trip]:
    found = found.filter(**fields)
    if rider is not None:
        found = found.filter(riders=rider)
    if assigned is not None:
        found = found.filter(driver__isnull=not assigned)
    if open is None:
        return found
    return found.exclude(status__in=FINAL) if open else found.filter(status__in=FINAL)


def _valid(function: Callable[..., Trip], *args: Any, **kwargs: Any) -> Trip:
    """Return the result; convert the errors of trips to those of REST framework."""
    try:
        return function(*args, **kwargs)
    except Trip.DoesNotExist as error:  # deleted meanwhile
        raise NotFound from error
    except trips.InvalidWaypoint as error:
        raise serializers.ValidationError(
            {"waypoints": {str(error.number): [error.reason]}}
        ) from error
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
    except trips.TripChanged as error:
        raise Conflict(
            str(error), code=error.code, version=error.trip.version, driver=error.trip.driver_id
        ) from error
    except trips.TripConflict as error:
        raise Conflict(str(error), code=error.code) from error
