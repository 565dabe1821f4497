"""The locations of all drivers over HTTP, for staff: paginated, optionally in a bounding box."""

from django.db.models import Q
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from tracking.access_log import record
from tracking.models import DriverLocation, LocationAccess
from tracking.people import active
from tracking.permissions import may_view_fleet
from tracking.pipeline.rows import fix_of
from tracking.protocol import Forbidden, InvalidMessage, details
from tracking.protocol.fleet import Bbox, to_bbox
from tracking.rest.conditional import conditional
from tracking.rest.throttling import ReadThrottle
from tracking.rest.views import RestView
from tracking.states import on_duty
from tracking.status import status_of


class MayViewLocations(BasePermission):
    """Permits users who may see last known locations in the admin."""

    message, code = "only staff may list locations", Forbidden.code

    def has_permission(self, request: Request, view: object) -> bool:
        return may_view_fleet(request.user)


class ByDriver(CursorPagination):
    """Pages ordered by driver id, so that a moving driver never changes pages."""

    ordering = "driver_id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1_000


class FleetView(RestView):
    """Lists the newest locations of all active drivers."""

    permission_classes = (IsAuthenticated, MayViewLocations)
    throttle_classes = (ReadThrottle,)

    def get(self, request: Request) -> HttpResponseBase:
        locations = DriverLocation.objects.filter(active("driver"), on_duty())
        if (bbox := request.query_params.get("bbox")) is not None:
            locations = locations.filter(within(bbox))
        pages = ByDriver()
        page = pages.paginate_queryset(locations, request, view=self)
        record(request.user.pk, LocationAccess.Way.LIST)
        now = timezone.now()
        response = pages.get_paginated_response(
            [details(fix_of(location), status_of(location, now)) for location in page or ()]
        )
        return conditional(request._request, JSONRenderer().render(response.data))


def bbox_of(text: str) -> Bbox:
    """Return the area of `west,south,east,north`; raise `InvalidMessage`."""
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError as error:
        raise InvalidMessage("bbox must be four numbers: west,south,east,north") from error
    return to_bbox(values)


def within(text: str) -> Q:
    """Return the filter for locations in `west,south,east,north`; raise `InvalidMessage`."""
    bbox = bbox_of(text)
    latitudes = Q(latitude__range=(bbox.south, bbox.north))
    if bbox.west > bbox.east:
        return latitudes & (Q(longitude__gte=bbox.west) | Q(longitude__lte=bbox.east))
    return latitudes & Q(longitude__range=(bbox.west, bbox.east))
