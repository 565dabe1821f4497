"""Error pages in the site's design, for browsers. API clients get RFC 9457 problem details.

The pages need neither the database nor a context processor: either may be what failed.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views import csrf, defaults

from tracking.rest.problems import MEDIA_TYPE, problem
from tracking.throttled_log import Throttle
from tracking.throttled_log import reason as describe

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Paths of the API: an error page is sent only to clients that accept HTML, as browsers do.
API: Final = ("/driver/", "/accounts/token/", "/api/")
# The pages below these paths.
PAGES: Final = ("tracking:driver-map", "tracking:share", "tracking:fleet-map", "reference")

# Code and detail of problem details by status, in the codes of REST framework.
PROBLEMS: Final = {
    400: ("bad_request", "the server cannot understand this request"),
    403: ("permission_denied", "this account may not do this, or the CSRF token is missing"),
    404: ("not_found", "there is nothing at this address"),
    500: ("error", "the server failed, and has logged it: try again later"),
}

Ways = list[tuple[str, str]]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400. Never call `request.get_host()` here: an invalid Host header leads here too."""
    return _answer(
        request,
        400,
        _("That didn't work"),
        _("The server couldn't understand the request. Start again from the home page."),
        [_home()],
        lambda: defaults.bad_request(request, exception),
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    log_in = f"{reverse('accounts:login')}?{urlencode({'next': request.get_full_path()})}"
    return _answer(
        request,
        403,
        _("You don't have access to this page"),
        _("Ask your administrator for access, or log in with another account."),
        [_home(), (_("Log in with another account"), log_in)],
        lambda: defaults.permission_denied(request, exception),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(
        request,
        404,
        _("Page not found"),
        _("Check the address for typos, or start again from the home page."),
        [_home()],
        lambda: defaults.page_not_found(request, exception),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    again = [(_("Try again"), request.get_full_path())] if request.method == "GET" else []
    return _answer(
        request,
        500,
        _("Something went wrong"),
        _("It's our fault, not yours, and it has been logged. Try again soon."),
        [*again, _home()],
        lambda: defaults.server_error(request),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose CSRF token is missing or old. Django has logged the reason."""
    return _answer(
        request,
        403,
        _("This form has expired"),
        _(
            "Try again. The page was open too long, or you have logged in or out since. If it "
            "happens again, allow cookies for this site."
        ),
        [(_("Try again"), _form_of(request)), _home()],
        lambda: csrf.csrf_failure(request, reason),
    )


def _form_of(request: HttpRequest) -> str:
    """Return the URL of the form's page, from the Referer header, or that of the home page."""
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
    plain: Callable[[], Any],
) -> HttpResponse:
    """Return an error page, or problem details; Django's `plain` page if rendering fails."""
    page: HttpResponse
    if not _wants_html(request):
        code, detail = PROBLEMS[status]
        content = problem(status, detail, code)
        headers = {"Cache-Control": "no-store"}
        return JsonResponse(content, status=status, content_type=MEDIA_TYPE, headers=headers)
    context = {"status": status, "title": title, "reason": reason, "ways": ways}
    try:
        # Without the request, no context processor runs.
        text = render_to_string("ridehail/error.html", context)
    except Exception as error:  # such as a style sheet that was not collected
        logger.warning("Could not render an error page: %s", describe(error))
        page = plain()
        return page
    page = HttpResponse(text, status=status)
    add_never_cache_headers(page)
    return page


def _wants_html(request: HttpRequest) -> bool:
    accepted = request.headers.get("Accept", "*/*")
    if "text/html" in accepted:
        return True
    match = request.resolver_match
    is_api = f"{request.path_info}/".startswith(API) and (
        match is None or match.view_name not in PAGES
    )
    return "*/*" in accepted and not is_api
