"""Throttling of the log-in pages, and the end of the session before."""

from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import ngettext

from accounts.api import TokenObtainView
from accounts.backends import TooManyLogIns
from tracking.web_sessions import ends_the_session_before

View = Callable[..., HttpResponseBase]


def log_in_view(log_in: View) -> View:
    """Throttle a log-in page, and end the session, with its tokens, that was open before."""
    return throttled(ends_the_session_before(log_in))


def throttled(log_in: View) -> View:
    """Throttle a log-in page together with the token view; answer 429 beyond the rate.

    Answers 503 when too many passwords are being checked.
    """

    @wraps(log_in)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        wait = _wait(request) if request.method == "POST" else None
        if wait is None:
            try:
                return log_in(request, *args, **kwargs)
            except TooManyLogIns as busy:
                return _refusal(request, busy.status_code, str(busy.message), busy.wait)
        message = ngettext(
            "Too many log-in attempts. Try again in %(seconds)d second.",
            "Too many log-in attempts. Try again in %(seconds)d seconds.",
            wait,
        ) % {"seconds": wait}
        return _refusal(request, 429, message, wait)

    return page


def _refusal(request: HttpRequest, status: int, message: str, wait: int) -> HttpResponse:
    context = {"message": message, "status": status}
    response = render(request, "429.html", context, status=status)
    response["Retry-After"] = str(wait)
    return response


def _wait(request: HttpRequest) -> int | None:
    """Return the seconds after which the request may be repeated, or None if it is allowed."""
    # The throttles use only the client's address and the view's scope, so a Django request will do.
    view: Any = TokenObtainView
    api_request: Any = request
    waits = [
        throttle.wait()
        for throttle in (throttle_class() for throttle_class in view.throttle_classes)
        if not throttle.allow_request(api_request, view)
    ]
    return max((ceil(wait or 1) for wait in waits), default=None)
