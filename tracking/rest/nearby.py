"""The nearest free drivers over HTTP, for dispatch."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request

from tracking.access_log import record
from tracking.eta import ways
from tracking.eta.router import Pairs
from tracking.eta.ways import Way
from tracking.fleet.nearby import Found, NotLoaded, Search, nearest_of
from tracking.fleet.rows import load_free
from tracking.geo import bearing
from tracking.models import LocationAccess
from tracking.permissions import may_search_nearby
from tracking.protocol import Forbidden, format_time
from tracking.protocol.encoding import details_of
from tracking.protocol.frames import Eta, NearbyDriver
from tracking.rest.bridge import call_async
from tracking.rest.problems import Unavailable
from tracking.rest.throttling import NearbyThrottle
from tracking.rest.views import RestView
from tracking.rest.windows import check_names, choice_of, invalid, number_of
from tracking.runtime import get_runtime

PARAMETERS: Final = ("lat", "lon", "radius", "count", "max_age", "vehicle_type", "order_by")
MAX_COUNT: Final = 100
DEFAULT_COUNT: Final = 10
# Half of the way round the Earth.
MAX_RADIUS: Final = 20_037_508.0
MAX_AGE: Final = 86_400.0
ORDERS: Final = ("distance", "eta")
# For the first ones to arrive, so many times as many of the nearest are compared, but no more than
# one request to the routing engine takes.
COMPARED: Final = 3
MAX_COMPARED: Final = 50

Ranked: TypeAlias = Sequence[tuple[Found, Way | None]]


class NearbyDrivers(msgspec.Struct):
    """Free drivers, the nearest first."""

    results: Annotated[list[NearbyDriver], Meta(max_length=MAX_COUNT)]


class MaySearchNearby(BasePermission):
    """Permits staff who may view last known locations, and as `TRACKING["NEARBY_POLICY"]` says."""

    message, code = "only dispatch may search for free drivers", Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        return call_async(may_search_nearby, user)


class NearbyView(RestView):
    """Searches the free drivers near a place: available, and not offline."""

    permission_classes = (IsAuthenticated, MaySearchNearby)
    throttle_classes = (NearbyThrottle,)

    def get(self, request: Request) -> HttpResponse:
        asked = read_query(request.query_params)
        record(request.user.pk, LocationAccess.Way.SEARCH)
        if isinstance(request._request, ASGIRequest):
            found = call_async(search, asked)
        else:
            # Without an event loop that stays, no state is kept: each search reads all. And no
            # routing engine is asked.
            nearest = nearest_of(load_free(), timezone.now(), _wider(asked))
            by_eta = asked.order_by == "eta"
            found = _ranked(asked, nearest, ways.guess(_pairs(asked, nearest)) if by_eta else None)
        return HttpResponse(encode(asked, found), content_type="application/json")


def read_query(query: QueryDict) -> Search:
    """Return what is searched for; raise InvalidParameters."""
    check_names(query, PARAMETERS)
    latitude = _decimal(query, "lat", -90.0, 90.0)
    longitude = _decimal(query, "lon", -180.0, 180.0)
    for name, value in (("lat", latitude), ("lon", longitude)):
        if value is None:
            raise invalid(name, _("This parameter is required."))
    assert latitude is not None  # noqa: S101 - for the type checker
    assert longitude is not None  # noqa: S101 - as above
    order_by = choice_of(query, "order_by", ORDERS) or "distance"
    return Search(
        latitude,
        longitude,
        number_of(query, "count", 1, MAX_COUNT) or DEFAULT_COUNT,
        _decimal(query, "radius", 0.0, MAX_RADIUS),
        _decimal(query, "max_age", 0.0, MAX_AGE),
        query.get("vehicle_type", ""),
        order_by,
    )


def encode(asked: Search, found: Ranked) -> bytes:
    """Return the body of the answer."""
    now = timezone.now()
    results = [
        NearbyDriver(
            *details_of(entry.fix, entry.status),
            distance=round(distance, 1),
            bearing=round(_bearing(asked, entry.fix)) % 360,
            state="available",
            age=max(0.0, round((now - entry.fix.recorded_at).total_seconds(), 1)),
            eta=None if way is None else _eta_of(way, now),
        )
        for (entry, distance), way in found
    ]
    return msgspec.json.encode(NearbyDrivers(results))


async def search(asked: Search) -> Ranked:
    """Return the drivers that this process's state has; raise Unavailable."""
    runtime = get_runtime()
    try:
        found = await runtime.nearby.search(_wider(asked))
        if asked.order_by != "eta":
            return _ranked(asked, found, None)
        times = await ways.ask(runtime.router, _pairs(asked, found))
        # The engine may take seconds, in which one was reserved.
        free = await runtime.nearby.free_among(found)
    except NotLoaded as error:
        raise Unavailable("the drivers could not be read yet: try again later") from error
    both = [each for each in zip(found, times, strict=True) if each[0].entry.fix.driver_id in free]
    return _ranked(asked, [each for each, _ in both], [way for _, way in both])


def _wider(asked: Search) -> Search:
    """Return the search for all drivers that are compared."""
    if asked.order_by != "eta":
        return asked
    return asked._replace(limit=max(asked.limit, min(COMPARED * asked.limit, MAX_COMPARED)))


def _pairs(asked: Search, found: Sequence[Found]) -> Pairs:
    place = (asked.latitude, asked.longitude)
    return [((each.entry.fix.latitude, each.entry.fix.longitude), place) for each in found]


def _ranked(asked: Search, found: Sequence[Found], ways: Sequence[Way] | None) -> Ranked:
    """Return the drivers, the first to arrive first; without ways as they are, nearest first."""
    if ways is None:
        return [(each, None) for each in found]
    ranked = sorted(zip(found, ways, strict=True), key=lambda each: each[1].seconds)
    return ranked[: asked.limit]


def _eta_of(way: Way, now: datetime) -> Eta:
    return Eta(
        arrives_at=format_time(now + timedelta(seconds=way.seconds)),
        seconds=round(way.seconds),
        distance=round(way.metres, 1),
        confidence=way.confidence,
        computed_at=format_time(now),
    )


def _bearing(asked: Search, fix: Any) -> float:
    return bearing(asked.latitude, asked.longitude, fix.latitude, fix.longitude)


def _decimal(query: QueryDict, name: str, least: float, most: float) -> float | None:
    """Return the number of a parameter, None without it; raise InvalidParameters."""
    if name not in query:
        return None
    try:
        value = float(query.get(name, ""))
    except ValueError:
        value = math.nan
    if least <= value <= most:
        return value
    message = _("Give a number from %(least)g to %(most)g.")
    raise invalid(name, message % {"least": least, "most": most})
