"""The home page, which links each user to their pages, and the demo's log-in."""

from typing import Final, NamedTuple

from django.conf import settings
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from ridehail.demo.accounts import ADMIN_ID, DISPATCHER_ID, DRIVER_ID, RIDER_ID
from tracking.access.tokens import load_users
from tracking.models import Trip, WatchGrant
from tracking.people import own_name
from tracking.permissions import is_driver, may_view_fleet, watches
from tracking.web_sessions import ends_the_session_before

BACKEND = "accounts.backends.PasswordBackend"
DEMO_IDS = {
    User.Role.RIDER: RIDER_ID,
    User.Role.DRIVER: DRIVER_ID,
    User.Role.DISPATCHER: DISPATCHER_ID,
}
# The home page offers to watch at most this many drivers, those of the newest grants.
MAX_WATCHED: Final = 5
# And to follow at most this many rides.
MAX_TRIPS: Final = 3


class Place(NamedTuple):
    """A link to a page that the user may open. `name` is the driver's name on a driver's page."""

    label: str
    address: str
    name: str = ""


def _demo_users() -> dict[str, User]:
    """Return the demo's users by role; empty in any other database and with DEBUG off."""
    if not settings.DEBUG:
        return {}
    # The demo creates this user only in a database without other users.
    if not User.objects.filter(pk=ADMIN_ID, email="admin@demo.example").exists():
        return {}
    users = User.objects.in_bulk(DEMO_IDS.values())
    return {
        role: users[pk]
        for role, pk in DEMO_IDS.items()
        if pk in users and users[pk].role == role and users[pk].is_active
    }


def _places(user: User, *, is_demo: bool) -> list[Place]:
    """Return the pages that the user may open."""
    places = []
    if is_driver(user):
        places.append(Place(_("Share your location"), reverse("tracking:share")))
    if may_view_fleet(user):
        places.append(Place(_("Open the live map"), reverse("tracking:fleet-map")))
    places += _trips(user)
    # Under a policy without grants the demo's riders watch the driver that its texts name.
    example = [DRIVER_ID] if is_demo and user.role == User.Role.RIDER else []
    return places + _watched(user, example)


def _trips(user: User) -> list[Place]:
    """Return the pages of the newest open trips on which the user rides."""
    trips = Trip.objects.filter(riders=user, ended_at=None).order_by("-pk")[:MAX_TRIPS]
    return [
        Place(_("Follow your ride"), reverse("tracking_trips:trip-detail", args=[trip.pk]))
        for trip in trips
    ]


def _watched(user: User, driver_ids: list[int]) -> list[Place]:
    """Return the maps of `driver_ids` and of the user's live grants that the user may watch."""
    grants = WatchGrant.objects.live(timezone.now()).filter(watcher=user).order_by("-starts_at")
    granted = grants.values_list("driver_id", flat=True)[:MAX_WATCHED]
    found = list(dict.fromkeys([*granted, *driver_ids]))
    drivers = load_users(found)
    return [
        Place(
            _("Watch driver %(id)d") % {"id": driver_id},
            reverse("tracking:driver-map", args=[driver_id]),
            own_name(drivers[driver_id]),
        )
        for driver_id in found
        if driver_id in drivers and watches(user, driver_id, drivers[driver_id])
    ]


def _start_page(user: User, *, is_demo: bool) -> str:
    """Return the path to open after log-in: the user's ride or only page, or else the home page."""
    rides = _trips(user)
    places = rides if len(rides) == 1 else _places(user, is_demo=is_demo)
    return places[0].address if len(places) == 1 else reverse("home")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    demo_users = _demo_users()
    user = request.user
    places = _places(user, is_demo=bool(demo_users)) if user.is_authenticated else []
    roles = [
        {
            "name": role.value,
            "label": role.label,
            "demo_user": demo_users.get(role),
            "is_mine": user.is_authenticated and user.role == role,
            "icon": f"ridehail/{role.value}.svg",
        }
        for role in User.Role
    ]
    context = {
        "roles": roles,
        "places": places,
        "is_demo": bool(demo_users),
        "driver_id": DRIVER_ID,
        "sockets": f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}",
    }
    return render(request, "ridehail/home.html", context)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect to the icon. Browsers request this path on pages that name none, as in the admin."""
    return redirect(static("tracking/mark.svg"))


@require_POST
@ends_the_session_before
def log_in_as(request: HttpRequest, role: str) -> HttpResponse:
    """Log in as the demo's user of `role` and redirect to that user's start page."""
    user = _demo_users().get(role)
    if user is None:
        raise Http404
    login(request, user, backend=BACKEND)
    return redirect(_start_page(user, is_demo=True))
