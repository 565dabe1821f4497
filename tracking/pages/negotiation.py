"""A page and a REST view at one path: browsers get the page, API clients the data."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

_SAFE: Final = ("GET", "HEAD")


def page_or_data(
    page: Callable[..., HttpResponseBase], data: Callable[..., HttpResponseBase]
) -> Callable[..., Any]:
    """Return a view that answers browsers with `page` and all others with `data`.

    It has the attributes of `data`, by which REST framework and the OpenAPI description know it.
    """

    def either(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = (page if wants_page(request) else data)(request, *args, **kwargs)
        patch_vary_headers(response, ["Accept"])
        return response

    return update_wrapper(either, data)


def wants_page(request: HttpRequest) -> bool:
    """Return True if the client asks for HTML by name, as browsers do when they open an address.

    `*/*` alone is what HTTP libraries send, and a client that authenticates by a header is no
    browser: both get data. So does a client that prefers JSON to HTML.
    """
    if request.method not in _SAFE or "Authorization" in request.headers:
        return False
    accepted = {f"{kind.main_type}/{kind.sub_type}": kind for kind in request.accepted_types}
    if "text/html" not in accepted:
        return False
    html, json = (
        accepted[name].quality if name in accepted else 0.0
        for name in ("text/html", "application/json")
    )
    return 0 < html >= json
