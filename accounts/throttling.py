"""Log-in pages: how often they may be posted to, and what they end."""

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
    """Throttle a log-in page, and end the tokens of whoever was logged in before."""
    return throttled(ends_the_session_before(log_in))


def throttled(log_in: View) -> View:
    """Let a log-in page's attempts count with those at the token view, and answer 429 beyond."""

    @wraps(log_in)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        wait = _wait(request) if request.method == "POST" else None
        if wait is None:
            try:
                return log_in(request, *args, **kwargs)
            except TooManyLogIns as busy:
                return _refusal(request, busy.status_code, str(busy.message), busy.wait)
        message = ngettext(
            "Too many log-ins from here. Try again in %(seconds)d second.",
            "Too many log-ins from here. Try again in %(seconds)d seconds.",
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
    """How many seconds too early the request is, if it is."""
    # They look at the client's address and the view's scope, which are there without an API too.
    view: Any = TokenObtainView
    api_request: Any = request
    waits = [
        throttle.wait()
        for throttle in (throttle_class() for throttle_class in view.throttle_classes)
        if not throttle.allow_request(api_request, view)
    ]
    return max((ceil(wait or 1) for wait in waits), default=None)
