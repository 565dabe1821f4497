"""The pages. Who may watch whom is the socket's to say: a page shows nothing by itself."""

from collections.abc import Callable

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from tracking.access.tokens import load_users
from tracking.access_log import record
from tracking.models import DriverLocation, LocationAccess
from tracking.people import contact, full_name, own_name, search_lookups
from tracking.permissions import may_publish, may_view_fleet, watches
from tracking.protocol import MAX_ID
from tracking.rest.bridge import call_async, outside_transactions
from tracking.status import status_of

MOST_RESULTS = 8


def _staff_only(view: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """For whom the admin shows the last known locations; the others are refused."""

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
def driver_map(request: HttpRequest, driver_id: int) -> HttpResponse:
    """The rider's page. It names the driver to nobody who may not watch."""
    if driver_id < 1:
        raise Http404
    context = {"driver_id": driver_id, "driver_name": _watched_name(request.user, driver_id)}
    return render(request, "tracking/driver_map_page.html", context)


@outside_transactions
@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def share(request: HttpRequest) -> HttpResponse:
    """The driver's page. Whoever may not publish reads why."""
    user = request.user
    assert not isinstance(user, AnonymousUser)  # noqa: S101, for the type checker
    may_share = call_async(may_publish, user, user.pk)
    return render(request, "tracking/share_location_page.html", {"may_share": may_share})


@require_safe
@never_cache
@_staff_only
@ensure_csrf_cookie
def fleet_map(request: HttpRequest) -> HttpResponse:
    """The dispatcher's page."""
    return render(request, "tracking/fleet_map_page.html")


@require_safe
@never_cache
@_staff_only
def search(request: HttpRequest) -> HttpResponse:
    """The first located drivers whose name or address contains `q`, and the number of all of them:
    `{"drivers": […], "total": 12}`.
    """
    query = request.GET.get("q", "").strip()
    matches = Q()
    for lookup in search_lookups("driver"):
        matches |= Q(**{lookup: query})
    if query.isdecimal():
        matches |= Q(driver=int(query[:18]))
    if not query:
        return JsonResponse({"drivers": [], "total": 0})
    found = DriverLocation.objects.filter(matches)
    first = found.select_related("driver").order_by("driver_id")[:MOST_RESULTS]
    drivers = [_result(location) for location in first]
    record(request.user.pk, LocationAccess.Way.SEARCH, [location.pk for location in first])
    return JsonResponse({"drivers": drivers, "total": found.count()})


def _watched_name(user: AbstractBaseUser | AnonymousUser, driver_id: int) -> str:
    """Return the driver's name, or "" if there is none or the user may not watch the driver.

    Never the log-in name, which may be an e-mail address.
    """
    assert not isinstance(user, AnonymousUser)  # noqa: S101, for the type checker
    if driver_id > MAX_ID:
        return ""
    driver = load_users([driver_id]).get(driver_id)
    watched = watches(user, driver_id, driver)
    return own_name(driver) if watched and driver is not None else ""


def _result(location: DriverLocation) -> dict[str, object]:
    """A location in the names of the browser's client."""
    return {
        "userId": location.driver_id,
        "name": full_name(location.driver),
        "email": contact(location.driver),
        "latitude": location.latitude,
        "longitude": location.longitude,
        "status": status_of(location, timezone.now()).value,
        "recordedAt": int(location.recorded_at.timestamp() * 1000),
        "receivedAt": int(location.received_at.timestamp() * 1000),
        "heardAt": int(location.heard.timestamp() * 1000),
    }
