"""The search of the fleet map, for staff: drivers by name, e-mail address or id."""

from typing import Any, Final

from django.contrib.auth.views import redirect_to_login
from django.db.models import Q
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record
from tracking.ids import MAX_ID, to_plain
from tracking.models import DriverLocation, LocationAccess
from tracking.people import USER_IDS, contact, full_name, search_lookups
from tracking.rest.fleet import MayViewLocations
from tracking.rest.throttling import ReadThrottle
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView
from tracking.status import status_of

MAX_RESULTS: Final = 8
# The digits of the largest integer id.
MAX_DIGITS: Final = len(str(MAX_ID))


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
            return Response({"drivers": [], "total": 0})
        matches = Q()
        for lookup in search_lookups("driver"):
            matches |= Q(**{lookup: query})
        # isdecimal() and int() accept the digits of any script. No id has more than MAX_DIGITS, and
        # int() refuses very long texts.
        number = query.isdecimal() and len(query) <= MAX_DIGITS
        driver_id = USER_IDS.parse(str(int(query)) if number else query)
        if driver_id is not None:
            matches |= Q(driver=driver_id)
        found = DriverLocation.objects.filter(matches)
        first = found.select_related("driver").order_by("driver_id")[:MAX_RESULTS]
        drivers = [_result(location) for location in first]
        record(request.user.pk, LocationAccess.Way.SEARCH, [location.pk for location in first])
        return Response({"drivers": drivers, "total": found.count()})

    def handle_exception(self, exc: Exception) -> Any:
        """Redirect a logged-out user to the log-in page, as the pages do."""
        if isinstance(exc, NotAuthenticated):
            response: HttpResponseBase = redirect_to_login(self.request.get_full_path())
            return response
        return super().handle_exception(exc)


def _result(location: DriverLocation) -> dict[str, object]:
    """Return a driver and location, with the keys of the browser client."""
    return {
        "userId": to_plain(location.driver_id),
        "name": full_name(location.driver),
        "email": contact(location.driver),
        "latitude": location.latitude,
        "longitude": location.longitude,
        "status": status_of(location, timezone.now()).value,
        "recordedAt": int(location.recorded_at.timestamp() * 1000),
        "receivedAt": int(location.received_at.timestamp() * 1000),
        "heardAt": int(location.heard.timestamp() * 1000),
    }
