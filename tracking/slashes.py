"""The last slash of a path: both spellings reach the same view, and nothing is redirected.

A redirect of a report is a lost report: HTTP clients repeat it as a GET without its body.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern


class EitherSlash(RoutePattern):
    """A route that matches with its last slash and without. Reversing gives it as it is written."""

    def match(self, path: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
        other = f"{path}/" if str(self).endswith("/") else path.removesuffix("/")
        return super().match(path) or super().match(other)


def path(route: str, view: Callable[..., Any], name: str | None = None) -> Any:
    """Return Django's `path()` of a view, or of an ASGI application, in either spelling."""
    # Any, as channels' type for routes and Django's are not the same.
    return URLPattern(EitherSlash(route, name=name, is_endpoint=True), view, {}, name)


def either_slash(patterns: Sequence[URLPattern | URLResolver]) -> list[URLPattern]:
    """Return the patterns that a router made, with `use_regex_path=False`, in either spelling."""
    return [
        path(str(pattern.pattern), pattern.callback, pattern.name)
        for pattern in patterns
        if isinstance(pattern, URLPattern)
    ]
