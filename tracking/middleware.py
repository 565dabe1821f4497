"""Middleware for the host project."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import NoReverseMatch, is_valid_path, reverse
from django.utils.decorators import sync_and_async_middleware

from tracking.rest.problems import MEDIA_TYPE, problem

# Methods that clients may safely repeat at another address.
_READS: Final = ("GET", "HEAD")

_Respond = (
    Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]
)


@sync_and_async_middleware  # type: ignore[untyped-decorator,unused-ignore]
def no_redirected_writes(get_response: _Respond) -> _Respond:
    """Prevent redirects of requests other than GET and HEAD.

    HTTP clients follow a redirect with a GET without a body, so a reported location would be lost.

    With `APPEND_SLASH`, a path without its trailing slash is served as if it had one. Over plain
    HTTP, where `SECURE_SSL_REDIRECT` would redirect, the response is 403 with problem details, or
    503 for OwnTracks. Place it first in `MIDDLEWARE`, before `SecurityMiddleware` and
    `CommonMiddleware`.
    """
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            refused = _refuse_or_append_slash(request)
            return refused or await get_response(request)

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        refused = _refuse_or_append_slash(request)
        response: HttpResponseBase = refused or get_response(request)  # type: ignore[assignment]
        return response

    return respond


def _refuse_or_append_slash(request: HttpRequest) -> HttpResponse | None:
    if request.method in _READS:
        return None
    if settings.SECURE_SSL_REDIRECT and not request.is_secure() and not _is_exempt(request):
        return _https_required(request)
    if settings.APPEND_SLASH and not request.path_info.endswith("/"):
        urlconf = getattr(request, "urlconf", None)
        if not _is_served(request.path_info, urlconf) and _is_served(
            f"{request.path_info}/", urlconf
        ):
            request.path_info += "/"
            request.path += "/"
    return None


def _is_served(path: str, urlconf: str | None) -> bool:
    """Return whether a view serves the path, except the admin's catch-all view, which redirects."""
    match = is_valid_path(path, urlconf)
    return bool(match and getattr(match.func, "should_append_slash", True))


def _is_exempt(request: HttpRequest) -> bool:
    path = request.path.lstrip("/")
    return any(re.search(pattern, path) for pattern in settings.SECURE_REDIRECT_EXEMPT)


def _https_required(request: HttpRequest) -> HttpResponse:
    # OwnTracks on iOS discards a location after a 4xx response. After a 5xx it keeps it, so that
    # nothing is lost until the URL is corrected in the app.
    status = HTTPStatus.FORBIDDEN
    if _is_of_owntracks(request.path_info):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse(
        problem(status, "plain HTTP is not accepted: use https://", "https_required"),
        status=status,
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store"},
    )


def _is_of_owntracks(path: str) -> bool:
    try:
        return path.removesuffix("/") + "/" == reverse("tracking:report-owntracks")
    except NoReverseMatch:
        return False
