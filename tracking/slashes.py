"""Routes that match with and without the trailing slash, without a redirect.

HTTP clients follow a redirect with a GET without a body, so a reported location would be lost.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern


class EitherSlash(RoutePattern):
    """A route that matches with and without its trailing slash, and is reversed as written."""

    def match(self, path: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
        other = f"{path}/" if str(self).endswith("/") else path.removesuffix("/")
        return super().match(path) or super().match(other)


def path(route: str, view: Callable[..., Any], name: str | None = None) -> Any:
    """Return a route to a view or an ASGI application, like `django.urls.path()`."""
    # Any, as Channels and Django have different types for routes.
    return URLPattern(EitherSlash(route, name=name, is_endpoint=True), view, {}, name)


def either_slash(patterns: Sequence[URLPattern | URLResolver]) -> list[URLPattern]:
    """Convert the patterns of a REST framework router made with `use_regex_path=False`."""
    return [
        path(str(pattern.pattern), pattern.callback, pattern.name)
        for pattern in patterns
        if isinstance(pattern, URLPattern)
    ]
