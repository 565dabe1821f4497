"""The pages that replay the past. They contain no locations: the REST API decides who sees which.

So it also records each look.
"""

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from tracking.access.tokens import load_users
from tracking.ids import DriverId
from tracking.models import DriverLocation, Trip
from tracking.pages.trips import is_rider
from tracking.people import USER_IDS, own_name
from tracking.rest.history import may_use_history
from tracking.rest.problems import InvalidParameters
from tracking.rest.trip_track import visible_windows
from tracking.rest.windows import date_of, time_of, zone_names


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def driver_replay(request: HttpRequest, driver_id: DriverId) -> HttpResponse:
    """Show the page of a driver's day, to the driver and to staff who may view the history."""
    if not (request.user.pk == driver_id or may_use_history(request.user, "view")):
        raise PermissionDenied
    driver = load_users([driver_id]).get(driver_id) if USER_IDS.is_storable(driver_id) else None
    if driver is None:
        raise Http404
    location = DriverLocation.objects.filter(driver_id=driver_id).first()  # type: ignore[misc]  # the demo's ids are integers
    context = {
        "driver_id": driver_id,
        "driver_name": own_name(driver) or _("Driver %(id)s") % {"id": driver_id},
        "latest": location.recorded_at if location is not None else None,
        **_day_of(request),
    }
    return render(request, "tracking/driver_replay_page.html", context)


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def trip_replay(request: HttpRequest, trip_id: int) -> HttpResponse:
    """Show the page of a trip's track, to those who may see a part of it; of that part alone."""
    trip = Trip.objects.filter(pk=trip_id).first()
    windows = None if trip is None else visible_windows(trip, request.user, timezone.now())
    if trip is None or windows is None:
        raise Http404
    context = {
        "trip": trip,
        "is_rider": is_rider(trip.pk, request.user),
        "since": windows[0].since if windows else None,
        "until": windows[-1].until if windows else None,
    }
    return render(request, "tracking/trip_replay_page.html", context)


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def fleet_replay(request: HttpRequest) -> HttpResponse:
    """Show the page of the fleet at a past moment, to staff who may view the history."""
    if not may_use_history(request.user, "view"):
        raise PermissionDenied
    context = {"time": _time_of(request), **_day_of(request)}
    return render(request, "tracking/fleet_replay_page.html", context)


def _day_of(request: HttpRequest) -> dict[str, Any]:
    """Return `date` and `tz` of the query; "" for one that is missing, or is none."""
    zone = request.GET.get("tz", "")
    try:
        date = f"{date_of(request.GET['date'])}" if "date" in request.GET else ""
    except InvalidParameters:
        date = ""
    return {"date": date, "tz": zone if zone in zone_names() else ""}


def _time_of(request: HttpRequest) -> datetime | None:
    """Return `time` of the query in UTC; None if it is missing, or is none."""
    try:
        return time_of(request.GET, "time")
    except InvalidParameters:
        return None
