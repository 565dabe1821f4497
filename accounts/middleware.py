"""Middleware for staff sessions: the second factor and the idle timeout."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from accounts import idle, second_factor
from tracking.rest.problems import MEDIA_TYPE, problem

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def without_second_factor(view: View) -> View:
    """Mark a view as open to sessions that still owe a code, or as one that uses no session."""
    view.without_second_factor = True  # type: ignore[attr-defined]
    return view


class StaffSessionMiddleware(MiddlewareMixin):
    """Refuse sessions that must give a code first, whichever view they request.

    Place it after django-otp's middleware. Requests for HTML are redirected to the page that asks
    for the code or sets up a second factor; any other request is answered with 403.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        # Apps send tokens and no cookie: skip the session look-up.
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        user = request.user
        if not user.is_authenticated:
            return None
        if second_factor.is_staff_account(user):
            # Views that open pages call by themselves are marked: a call is no sign of activity.
            by_page = getattr(view, "called_by_page", False)
            idle.extend(request.session, idle.idle_time(request) if by_page else timedelta(0))
        if getattr(view, "without_second_factor", False) or not second_factor.is_due(user):
            return None
        return _refusal(request)


def _refusal(request: HttpRequest) -> HttpResponse:
    if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
        path = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
        return redirect_to_login(path, reverse("accounts:second-factor"))
    refusal = problem(403, "enter the code of your second factor first", "otp_required")
    headers = {"Cache-Control": "no-store"}
    return JsonResponse(refusal, status=403, content_type=MEDIA_TYPE, headers=headers)
