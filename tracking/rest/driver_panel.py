"""One driver in the dispatcher's console: the row of the list, and what happened today."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from django.contrib.admin.utils import quote
from django.db.models import Q
from django.http import QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record
from tracking.conf import conf
from tracking.history.packing import E7
from tracking.history.partitions import DAY
from tracking.history.rows import Span, hot_rows
from tracking.ids import DriverId, to_plain
from tracking.models import LocationAccess, TripAssignment, TripStatus
from tracking.people import USER_IDS, full_name
from tracking.permissions import may_view_trips
from tracking.protocol import format_time
from tracking.protocol.encoding import format_degrees
from tracking.rest.driver_rows import DriverRow, everybody, rows_of
from tracking.rest.drivers import FleetPageView
from tracking.rest.history import may_use_history
from tracking.rest.timeline import MAX_ITEMS, timeline
from tracking.rest.trip_output import Time
from tracking.rest.windows import Window, check_names, day_window, invalid, zone_names

PARAMETERS: Final = ("time_zone",)

MAX_FIXES: Final = 20


class DayTrip(msgspec.Struct):
    """A trip that the driver had today; `started` and `ended` are the driver's part of it."""

    id: int
    reference: str
    status: Annotated[str, Meta(extra_json_schema={"enum": list(TripStatus.values)})]
    started: Time
    ended: Time | None
    riders: list[str]


class PanelFix(msgspec.Struct):
    """A fix of the history."""

    recorded_at: Time
    location_lat: str
    location_lon: str
    accuracy: float | None
    heading: float | None
    speed: float | None
    battery: int | None
    charging: bool | None


class DriverPanel(DriverRow):
    """A driver, and what happened today."""

    trips: Annotated[
        list[DayTrip], Meta(description="Today's, the newest first; for staff who may view trips.")
    ]
    timeline: Annotated[
        list[dict[str, Any]],
        Meta(description=f"What happened today, the newest first, at most {MAX_ITEMS}."),
    ]
    fixes: Annotated[
        list[PanelFix],
        Meta(
            description=f"The last {MAX_FIXES} of the last 24 hours, the newest first; for staff"
            " who may view the history."
        ),
    ]
    page: Annotated[str | None, Meta(description="The host's own page about the driver.")]


class DriverPanelView(FleetPageView):
    """A driver's panel."""

    def get(self, request: Request, driver_id: DriverId) -> Response:
        query = request.query_params
        check_names(query, PARAMETERS)
        now = timezone.now()
        today = _today(query, now)
        storable = USER_IDS.is_storable(driver_id)
        driver = everybody().filter(pk=driver_id).first() if storable else None
        if driver is None:
            raise NotFound("there is no such driver", "no_driver")
        sees_trips = may_view_trips(request.user)
        sees_fixes = may_use_history(request.user, "view")
        record(request.user.pk, LocationAccess.Way.REST, [driver_id])
        if sees_fixes:
            record(request.user.pk, LocationAccess.Way.TRACK, [driver_id])
        (row,) = rows_of([driver], now, with_trips=sees_trips)
        panel = DriverPanel(
            **{name: getattr(row, name) for name in DriverRow.__struct_fields__},
            trips=_trips(driver_id, today) if sees_trips else [],
            timeline=timeline(driver_id, today, with_trips=sees_trips),
            fixes=_fixes(driver_id, now) if sees_fixes else [],
            page=_page(driver),
        )
        return Response(msgspec.to_builtins(panel))


def _today(query: QueryDict, now: datetime) -> Window:
    name = query.get("time_zone", "UTC")
    if name not in zone_names():
        raise invalid("time_zone", _("Give an IANA name, such as Europe/Helsinki."))
    zone = ZoneInfo(name)
    return day_window(now.astimezone(zone).date(), zone)


def _trips(driver_id: DriverId, today: Window) -> list[DayTrip]:
    drives = TripAssignment.objects.filter(
        Q(until=None) | Q(until__gt=today.since),
        driver=driver_id,  # type: ignore[misc]  # the demo's ids are integers
        since__lt=today.until,
    )
    rows = drives.select_related("trip").prefetch_related("trip__riders").order_by("-since")
    return [
        DayTrip(
            drive.trip_id,
            drive.trip.reference,
            drive.trip.status,
            format_time(drive.since),
            None if drive.until is None else format_time(drive.until),
            sorted(full_name(rider) for rider in drive.trip.riders.all()),
        )
        for drive in rows
    ]


def _fixes(driver_id: DriverId, now: datetime) -> list[PanelFix]:
    rows = hot_rows(driver_id, Span(now - DAY, now)).order_by("-recorded_at")[:MAX_FIXES]
    return [
        PanelFix(
            format_time(fix.recorded_at.astimezone(UTC)),
            format_degrees(fix.latitude_e7 / E7),
            format_degrees(fix.longitude_e7 / E7),
            fix.accuracy,
            fix.heading,
            fix.speed,
            fix.battery,
            fix.charging,
        )
        for fix in rows
    ]


def _page(driver: Any) -> str | None:
    """Return the address of `TRACKING["DRIVER_PAGE"]`, or of the driver's row in the admin."""
    if conf.DRIVER_PAGE:
        return str(conf.DRIVER_PAGE).replace("{id}", str(to_plain(driver.pk)))
    for relation, name in (("driver_location", "driverlocation"), ("driver_state", "driverstate")):
        if getattr(driver, relation, None) is not None:
            try:
                return reverse(f"admin:tracking_{name}_change", args=[quote(driver.pk)])
            except NoReverseMatch:  # a project without the admin
                return None
    return None
