"""The list of drivers of the dispatcher's console, and what it can be filtered by."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record
from tracking.ids import MAX_ID
from tracking.models import DriverState, LocationAccess, State, Zone
from tracking.people import USER_IDS
from tracking.permissions import may_view_trips
from tracking.protocol.frames import Id
from tracking.rest.conditional import conditional
from tracking.rest.driver_rows import (
    ORDERS,
    STATUSES,
    DriverRow,
    Order,
    ZoneName,
    everybody,
    following,
    found,
    inside,
    keys_of,
    ordered,
    rows_of,
    with_status,
)
from tracking.rest.fleet import MayViewLocations
from tracking.rest.throttling import ReadThrottle
from tracking.rest.views import BearerAuthentication, PageAuthentication, RestView
from tracking.rest.windows import check_names, choice_of, invalid, number_of

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500
FILTERS: Final = ("state", "status", "vehicle_type", "zone", "search")
PARAMETERS: Final = (*FILTERS, "sort", "limit", "after")


class Drivers(msgspec.Struct):
    """A page of drivers."""

    results: list[DriverRow]
    total: Annotated[int, Meta(description="The number of all that match.")]
    next: Annotated[str | None, Meta(description="The `after` of the next page.")]


class Matches(msgspec.Struct):
    """The ids of the drivers that match, in no order."""

    ids: list[Id]


class Filters(msgspec.Struct):
    """The values by which drivers can be filtered."""

    vehicle_types: list[str]
    zones: list[ZoneName]


class FleetPageView(RestView):
    """Base view, for dispatch systems with a token and for pages with a web session."""

    authentication_classes = (BearerAuthentication, PageAuthentication)
    permission_classes = (IsAuthenticated, MayViewLocations)
    throttle_classes = (ReadThrottle,)


class DriversView(FleetPageView):
    """Lists the drivers, also those off duty or without a location."""

    def get(self, request: Request) -> Response:
        query = request.query_params
        check_names(query, PARAMETERS)
        order = ORDERS[choice_of(query, "sort", ORDERS)]
        limit = number_of(query, "limit", 1, MAX_LIMIT) or DEFAULT_LIMIT
        now = timezone.now()
        drivers = _filtered(query, now)
        page = ordered(drivers, order)
        if "after" in query:
            page = following(page, order, _decoded(query["after"], order))
        rows = list(page[: limit + 1])
        more, rows = rows[limit:], rows[:limit]
        # Of a page that is all there is, the number is known.
        total = drivers.count() if more or "after" in query else len(rows)
        if rows:
            record(request.user.pk, LocationAccess.Way.LIST)
        results = rows_of(rows, now, with_trips=may_view_trips(request.user))
        following_page = _encoded(keys_of(rows[-1], order)) if more else None
        return Response(msgspec.to_builtins(Drivers(results, total, following_page)))


class MatchesView(FleetPageView):
    """Lists the ids of all drivers that match the filters, for a map that dims the others."""

    def get(self, request: Request) -> HttpResponseBase:
        query = request.query_params
        check_names(query, FILTERS)
        ids = list(_filtered(query, timezone.now()).order_by("pk").values_list("pk", flat=True))
        # With the filter by zone the list says where drivers are.
        if ids:
            record(request.user.pk, LocationAccess.Way.LIST)
        return conditional(request._request, msgspec.json.encode(Matches(ids)))


def _filtered(query: Any, now: datetime) -> Any:
    drivers = everybody()
    if "state" in query:
        drivers = drivers.filter(driver_state__state=choice_of(query, "state", State.values))
    if "status" in query:
        drivers = with_status(drivers, choice_of(query, "status", STATUSES), now)
    if kind := query.get("vehicle_type", ""):
        drivers = drivers.filter(driver_state__vehicle_type=_text(kind, "vehicle_type"))
    if (zone := number_of(query, "zone", 1, MAX_ID)) is not None:
        drivers = inside(drivers, zone)
    if text := query.get("search", "").strip():
        drivers = found(drivers, _text(text, "search"))
    return drivers


def _text(text: str, name: str) -> str:
    if "\0" in text:  # which PostgreSQL does not store
        raise invalid(name, _("Null characters are not allowed."))
    return text


def _encoded(keys: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).decode().rstrip("=")


def _decoded(text: str, order: Order) -> list[Any]:
    """Return the keys and the id of the last driver of a page; raise InvalidParameters."""
    kinds: dict[str, Any] = {"rank": int, "at": datetime, "name_key": str}
    try:
        keys = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        *values, last = keys
        driver_id = USER_IDS.parse_claim(last)
        converted = [
            msgspec.convert(value, kinds[name])
            for value, name in zip(values, order.keys, strict=True)
        ]
    except (msgspec.DecodeError, binascii.Error, ValueError, TypeError) as error:
        raise invalid("after", _("Give the `next` of a page with the same order.")) from error
    if driver_id is None:
        raise invalid("after", _("Give the `next` of a page with the same order."))
    return [*converted, driver_id]


class FiltersView(FleetPageView):
    """Lists the vehicle types and the zones."""

    def get(self, request: Request) -> Response:
        states = DriverState.objects.exclude(vehicle_type="").order_by("vehicle_type")
        zones = Zone.objects.filter(is_active=True).order_by("name", "pk")
        filters = Filters(
            list(states.values_list("vehicle_type", flat=True).distinct()),
            [ZoneName(*zone) for zone in zones.values_list("pk", "name")],
        )
        return Response(msgspec.to_builtins(filters))
