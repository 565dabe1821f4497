"""Share links of a trip over HTTP, for its riders and for staff who may change trips."""

from typing import Annotated, Any, Final, cast

import msgspec
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse
from msgspec import Meta
from rest_framework import viewsets
from rest_framework.exceptions import NotFound
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import shares
from tracking.models import Trip, TripShare
from tracking.people import own_name
from tracking.protocol import format_time
from tracking.rest.grants import NewestFirst
from tracking.rest.problems import Conflict
from tracking.rest.throttling import TripThrottle
from tracking.rest.trip_output import Time
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView

# The route of the page, which the host project includes.
PAGE: Final = "tracking_shares:page"


class NewShare(msgspec.Struct):
    """A new link. No other answer has its URL."""

    id: int
    url: str
    expires_at: Time


class ShareDetails(msgspec.Struct):
    """A live link, without its URL."""

    id: int
    created_at: Time
    expires_at: Time
    opened_at: Annotated[Time | None, Meta(description="When a browser first opened it.")]
    created_by: Annotated[
        str | None, Meta(description="A name. Riders see their own alone, staff those of all.")
    ]


class ShareViewSet(RestView, viewsets.GenericViewSet[TripShare]):
    """List, create and revoke the links to a trip.

    A trip of others is answered like one that is missing.
    """

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated,)
    throttle_classes = (TripThrottle,)
    pagination_class = NewestFirst
    queryset = TripShare.objects.all()

    def list(self, request: Request, trip_id: int) -> Response:
        live: QuerySet[TripShare] = shares.listed(self._trip(trip_id))
        page = self.paginate_queryset(live)
        found = [_details(share, request.user) for share in page or ()]
        return self.get_paginated_response(found)

    def create(self, request: Request, trip_id: int) -> Response:
        trip, user = self._trip(trip_id), cast(AbstractBaseUser, request.user)
        try:
            share, secret = shares.create(trip, by=user.pk)
        except Trip.DoesNotExist as error:  # deleted meanwhile
            raise NotFound from error
        except shares.ShareConflict as error:
            raise Conflict(str(error), code=error.code) from error
        url = request.build_absolute_uri(reverse(PAGE, args=[secret]))
        answer = NewShare(share.pk, url, format_time(share.expires_at))
        return Response(msgspec.to_builtins(answer), status=201)

    def destroy(self, request: Request, trip_id: int, pk: int) -> Response:
        of_trip = TripShare.objects.filter(trip=self._trip(trip_id))
        shares.revoke(get_object_or_404(of_trip, pk=pk))
        return Response(status=204)

    def _trip(self, trip_id: int) -> Trip:
        """Return a trip that the caller may share; else raise NotFound."""
        try:
            reverse(PAGE, args=["x"])
        except NoReverseMatch as error:
            raise NotFound("sharing is off: the project does not include its page") from error
        trip = Trip.objects.filter(pk=trip_id).first()
        if trip is None or not shares.may_share(self.request.user, trip):
            raise NotFound("No Trip matches the given query.")  # the words of `GET /trips/7/`
        return trip


def _details(share: TripShare, user: Any) -> dict[str, Any]:
    # A rider of a trip does not see who else rides. But all of them may end each link: it shows
    # where they are, too.
    is_visible = share.created_by_id == user.pk or user.is_staff
    details = ShareDetails(
        id=share.pk,
        created_at=format_time(share.created_at),
        expires_at=format_time(share.expires_at),
        opened_at=None if share.opened_at is None else format_time(share.opened_at),
        created_by=(own_name(share.created_by) or None) if is_visible else None,
    )
    built: dict[str, Any] = msgspec.to_builtins(details)
    return built
