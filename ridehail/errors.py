"""Error pages in the site's frame, for people. Programs get what Django answers by itself.

The pages need neither the database nor a context processor: either may be what failed.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views import csrf, defaults

from tracking.throttled_log import Throttle
from tracking.throttled_log import reason as describe

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# What programs call. There, a page is shown to who asks for HTML, as browsers do.
API: Final = ("/driver/", "/accounts/token/", "/api/")
# The pages among it.
PAGES: Final = ("tracking:driver-map", "tracking:share", "tracking:fleet-map", "reference")

Ways = list[tuple[str, str]]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, also for a host that is not ours: nothing here may ask the request for its host."""
    return _answer(
        request,
        400,
        _("This request did not work"),
        _("The server could not understand what the browser sent. Start again from the home page."),
        [_home()],
        lambda: defaults.bad_request(request, exception),
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    log_in = f"{reverse('accounts:login')}?{urlencode({'next': request.get_full_path()})}"
    return _answer(
        request,
        403,
        _("You may not open this page"),
        _(
            "Your account does not have the permission for it. Ask the person who manages the "
            "accounts, or log in with another account."
        ),
        [_home(), (_("Log in with another account"), log_in)],
        lambda: defaults.permission_denied(request, exception),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(
        request,
        404,
        _("Page not found"),
        _("There is nothing at this address. Check it for typing errors, or start from home."),
        [_home()],
        lambda: defaults.page_not_found(request, exception),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    again = [(_("Try again"), request.get_full_path())] if request.method == "GET" else []
    return _answer(
        request,
        500,
        _("Something went wrong"),
        _("The fault is the server's, not yours, and it has been logged. Try again soon."),
        [*again, _home()],
        lambda: defaults.server_error(request),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose token is missing or old. Django has logged the reason."""
    return _answer(
        request,
        403,
        _("This form has expired"),
        _(
            "It was open for too long, you have logged in or out meanwhile, or your browser blocks "
            "this site's cookies. Allow cookies, then try again."
        ),
        [(_("Try again"), _form_of(request)), _home()],
        lambda: csrf.csrf_failure(request, reason),
    )


def _form_of(request: HttpRequest) -> str:
    """The page that the form was on, as far as the browser says so, or the home page."""
    page = request.headers.get("Referer", "")
    hosts = {request.get_host()}
    ours = url_has_allowed_host_and_scheme(page, hosts, require_https=request.is_secure())
    return page if ours else reverse("home")


def _home() -> tuple[str, str]:
    return _("Home"), reverse("home")


def _answer(
    request: HttpRequest,
    status: int,
    title: str,
    reason: str,
    ways: Ways,
    for_programs: Callable[[], Any],
) -> HttpResponse:
    page: HttpResponse
    if not _is_for_people(request):
        page = for_programs()
        return page
    context = {"status": status, "title": title, "reason": reason, "ways": ways}
    try:
        # Without the request, no context processor runs.
        text = render_to_string("ridehail/error.html", context)
    except Exception as error:  # such as a style sheet that was not collected
        logger.warning("An error page could not be made: %s", describe(error))
        page = for_programs()
        return page
    page = HttpResponse(text, status=status)
    add_never_cache_headers(page)
    return page


def _is_for_people(request: HttpRequest) -> bool:
    accepted = request.headers.get("Accept", "*/*")
    if "text/html" in accepted:
        return True
    match = request.resolver_match
    is_api = f"{request.path_info}/".startswith(API) and (
        match is None or match.view_name not in PAGES
    )
    return "*/*" in accepted and not is_api
