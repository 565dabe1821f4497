"""The pages. They contain no locations of drivers: the WebSocket decides which a user may watch."""

from collections.abc import Callable

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from tracking.access.tokens import load_users
from tracking.ids import INTEGERS, DriverId
from tracking.models import Trip
from tracking.pages.trips import is_rider
from tracking.pages.widgets import reverse_or_empty
from tracking.people import USER_IDS, own_name
from tracking.permissions import may_publish, may_view_fleet, may_view_trips, watches
from tracking.rest.bridge import call_async, outside_transactions
from tracking.states import state_of


def _staff_only(view: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Limit a view to users who may see last known locations in the admin; others get 403."""

    @login_required
    def checked(request: HttpRequest) -> HttpResponse:
        if not may_view_fleet(request.user):
            raise PermissionDenied
        return view(request)

    return checked


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def driver_map(request: HttpRequest, driver_id: DriverId) -> HttpResponse:
    """Show the rider's page, with the driver's name if the user may watch the driver."""
    if driver_id == USER_IDS.lowest:
        raise Http404
    context = {"driver_id": driver_id, "driver_name": _watched_name(request.user, driver_id)}
    return render(request, "tracking/driver_map_page.html", context)


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def trip_map(request: HttpRequest, trip_id: int) -> HttpResponse:
    """Show a trip to its riders, to the driver that has it, and to staff who may view trips.

    For others it does not exist.
    """
    user = request.user
    trip = Trip.objects.select_related("driver").filter(pk=trip_id).first()
    if trip is None:
        raise Http404
    rides = is_rider(trip.pk, user)
    if not (rides or trip.driver_id == user.pk or may_view_trips(user)):
        raise Http404
    return render(request, "tracking/trip_map_page.html", {"trip": trip, "is_rider": rides})


def trip_page(request: HttpRequest, pk: str) -> HttpResponse:
    """Show a trip at the path of its REST resource, whose id may be anything."""
    trip_id = INTEGERS.parse(pk)
    if not isinstance(trip_id, int):
        raise Http404
    return trip_map(request, trip_id)


@outside_transactions
@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def share(request: HttpRequest) -> HttpResponse:
    """Show the driver's page, or the reason if the user may not publish a location."""
    user = request.user
    assert not isinstance(user, AnonymousUser)  # noqa: S101, for the type checker
    may_share = call_async(may_publish, user, user.pk)
    row = state_of(user.pk)
    context = {"may_share": may_share, "driver_state": row.state if row is not None else ""}
    return render(request, "tracking/share_location_page.html", context)


@require_safe
@never_cache
@_staff_only
@ensure_csrf_cookie
def fleet_map(request: HttpRequest) -> HttpResponse:
    """Show the dispatcher's page: the console, or the map alone without `tracking.urls.fleet`."""
    has_console = bool(reverse_or_empty("tracking_fleet:drivers"))
    return render(request, "tracking/fleet_map_page.html", {"has_console": has_console})


def _watched_name(user: AbstractBaseUser | AnonymousUser, driver_id: DriverId) -> str:
    """Return the driver's name, or "" if there is none or the user may not watch the driver.

    The log-in name is never used, as it may be an e-mail address.
    """
    assert not isinstance(user, AnonymousUser)  # noqa: S101, for the type checker
    if not USER_IDS.is_storable(driver_id):
        return ""
    driver = load_users([driver_id]).get(driver_id)
    watched = watches(user, driver_id, driver)
    return own_name(driver) if watched and driver is not None else ""
