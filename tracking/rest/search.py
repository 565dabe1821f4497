"""The search of the fleet map, for staff: drivers by name, e-mail address or id."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from django.contrib.auth.views import redirect_to_login
from django.db.models import Q
from django.http import HttpResponseBase
from django.utils import timezone
from msgspec import Meta
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record
from tracking.ids import MAX_ID
from tracking.models import DriverLocation, LocationAccess
from tracking.people import USER_IDS, contact, full_name, search_lookups
from tracking.protocol import frames
from tracking.rest.fleet import MayViewLocations
from tracking.rest.throttling import ReadThrottle
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView
from tracking.states import on_duty
from tracking.status import Status, status_of

MAX_RESULTS: Final = 8
# The digits of the largest integer id.
MAX_DIGITS: Final = len(str(MAX_ID))


class SearchResult(msgspec.Struct, rename="camel"):
    """A driver and their location, with the keys of the browser client."""

    user_id: frames.Id
    name: str
    email: str
    latitude: float
    longitude: float
    status: Annotated[str, Meta(extra_json_schema={"enum": Status.values})]
    recorded_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    received_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    heard_at: Annotated[int, Meta(description="Milliseconds since 1970.")]


class SearchResults(msgspec.Struct):
    """The first drivers that match and have a location."""

    drivers: list[SearchResult]
    total: Annotated[int, Meta(description="The number of all matches.")]


class SearchView(RestView):
    """Searches the drivers that have a location: `{"drivers": […], "total": 12}`.

    `drivers` are the first MAX_RESULTS whose name or address contains `q`, or whose id is `q`;
    `total` is the number of all that match.
    """

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated, MayViewLocations)
    throttle_classes = (ReadThrottle,)

    def get(self, request: Request) -> Response:
        query = request.query_params.get("q", "").strip()
        if not query:
            return _response([], 0)
        matches = Q()
        for lookup in search_lookups("driver"):
            matches |= Q(**{lookup: query})
        # isdecimal() and int() accept the digits of any script. No id has more than MAX_DIGITS, and
        # int() refuses very long texts.
        number = query.isdecimal() and len(query) <= MAX_DIGITS
        driver_id = USER_IDS.parse(str(int(query)) if number else query)
        if driver_id is not None:
            matches |= Q(driver=driver_id)
        found = DriverLocation.objects.filter(matches).filter(on_duty())
        first = found.select_related("driver").order_by("driver_id")[:MAX_RESULTS]
        drivers = [_result(location) for location in first]
        record(request.user.pk, LocationAccess.Way.SEARCH, [location.pk for location in first])
        return _response(drivers, found.count())

    def handle_exception(self, exc: Exception) -> Any:
        """Redirect a logged-out user to the log-in page, as the pages do."""
        if isinstance(exc, NotAuthenticated):
            response: HttpResponseBase = redirect_to_login(self.request.get_full_path())
            return response
        return super().handle_exception(exc)


def _response(drivers: list[SearchResult], total: int) -> Response:
    return Response(msgspec.to_builtins(SearchResults(drivers, total)))


def _result(location: DriverLocation) -> SearchResult:
    return SearchResult(
        location.driver_id,
        full_name(location.driver),
        contact(location.driver),
        location.latitude,
        location.longitude,
        status_of(location, timezone.now()).value,
        _milliseconds(location.recorded_at),
        _milliseconds(location.received_at),
        _milliseconds(location.heard),
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
