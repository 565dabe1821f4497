"""The home page: what this is, and where to go."""

from django.conf import settings
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from ridehail.demo.accounts import ADMIN_ID, DISPATCHER_ID, DRIVER_ID, RIDER_ID
from tracking.web_sessions import ends_the_session_before

BACKEND = "accounts.backends.PasswordBackend"
DEMO_IDS = {
    User.Role.RIDER: RIDER_ID,
    User.Role.DRIVER: DRIVER_ID,
    User.Role.DISPATCHER: DISPATCHER_ID,
}


def _demo_users() -> dict[str, User]:
    """Whom one click logs in as, by role: nobody unless this database is the demo's."""
    if not settings.DEBUG:
        return {}
    # The mark of the demo's database, which it makes only where there are no other users.
    if not User.objects.filter(pk=ADMIN_ID, email="admin@demo.example").exists():
        return {}
    users = User.objects.in_bulk(DEMO_IDS.values())
    return {
        role: users[pk]
        for role, pk in DEMO_IDS.items()
        if pk in users and users[pk].role == role and users[pk].is_active
    }


def _start_page(role: str) -> str:
    """Where somebody of that role has something to do."""
    return {
        User.Role.DRIVER: reverse("tracking:share"),
        User.Role.DISPATCHER: reverse("tracking:fleet-map"),
    }.get(User.Role(role)) or reverse("tracking:driver-map", args=[DRIVER_ID])


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    demo_users = _demo_users()
    roles = [
        {
            "name": role.value,
            "label": role.label,
            "demo_user": demo_users.get(role),
            "is_mine": request.user.is_authenticated and request.user.role == role,
            "icon": f"ridehail/{role.value}.svg",
            "start_page": _start_page(role),
        }
        for role in User.Role
    ]
    context = {
        "roles": roles,
        "is_demo": bool(demo_users),
        "driver_id": DRIVER_ID,
        "sockets": f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}",
    }
    return render(request, "ridehail/home.html", context)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """What browsers ask for where a page names no icon, as the admin's do not."""
    return redirect(static("tracking/mark.svg"))


@require_POST
@ends_the_session_before
def log_in_as(request: HttpRequest, role: str) -> HttpResponse:
    """Log in as the demo's user of that role, and go where that one has something to do."""
    user = _demo_users().get(role)
    if user is None:
        raise Http404
    login(request, user, backend=BACKEND)
    return redirect(_start_page(role))
