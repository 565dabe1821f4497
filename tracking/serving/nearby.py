"""Searches for the nearest free drivers, answered in front of Django.

Django's middleware and REST framework take four fifths of the time of such a search. What the view
(`rest.nearby`) would answer with 200 is answered here, by the same functions; everything else, such
as a refusal, an invalid parameter or a request from a page of another origin, goes to the view.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseError
from django.http import QueryDict
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from rest_framework.exceptions import Throttled

from tracking.access.tokens import authentication
from tracking.fleet.nearby import Search
from tracking.ids import UserId
from tracking.models import LocationAccess
from tracking.protocol import TrackingError
from tracking.rest.nearby import NearbyView, encode, read_query, search
from tracking.rest.problems import MEDIA_TYPE, InvalidParameters, Unavailable, problem
from tracking.rest.throttling import NearbyThrottle
from tracking.runtime import get_runtime

Application = Callable[[Any, Any, Any], Awaitable[Any]]


class NearbyFront:
    """Wraps the host's HTTP application, and answers the searches that need no view."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._limits: WeakKeyDictionary[asyncio.AbstractEventLoop, Limit] = WeakKeyDictionary()
        # None until the first request, as the host's URLs are not loaded before.
        self._paths: set[str] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked, token = self._read(scope)
        if asked is None or token is None:
            await self._application(scope, receive, send)
            return
        runtime = get_runtime()
        try:
            user_id = await runtime.searchers.user_of(token)
        except (TrackingError, DatabaseError, OSError):
            await self._application(scope, receive, send)
            return
        try:
            self._limit.take(user_id)
            runtime.access_log.record(user_id, LocationAccess.Way.SEARCH)
            found = await search(asked)
        except (Throttled, Unavailable) as error:
            await _send_problem(send, error)
        else:
            await _respond(send, 200, encode(asked, found), "application/json")

    def _read(self, scope: Any) -> tuple[Search | None, str | None]:
        """Return the parameters and the token of a search, or None and None for the view."""
        if scope["method"] != "GET" or scope["path"] not in self._own_paths:
            return None, None
        headers = dict(scope["headers"])
        # A page of another origin needs the headers that the host's middleware adds.
        if b"origin" in headers:
            return None, None
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() not in authentication().schemes:
            return None, None
        try:
            return read_query(QueryDict(scope["query_string"])), token.strip()
        except (InvalidParameters, SuspiciousOperation, ValueError):
            return None, None

    @property
    def _own_paths(self) -> set[str]:
        """The view's path, with and without a slash; empty if the host's URLs lack the view."""
        if self._paths is None:
            self._paths = set()
            try:
                path = reverse("tracking:nearby")
                if getattr(resolve(path).func, "view_class", None) is NearbyView:
                    self._paths = {path, path.rstrip("/")}
            except (NoReverseMatch, Resolver404):
                pass
        return self._paths

    @property
    def _limit(self) -> "Limit":
        loop = asyncio.get_running_loop()
        if loop not in self._limits:
            self._limits[loop] = Limit()
        return self._limits[loop]


class Limit:
    """The rate of the view's throttle, by user, counted in this process and in whole periods."""

    def __init__(self) -> None:
        throttle: Any = NearbyThrottle()
        self._most: int | None = throttle.num_requests
        self._period: float = throttle.duration or 1.0
        self._counts: dict[UserId, int] = {}
        self._ends_at = -math.inf

    def take(self, user_id: UserId) -> None:
        """Count a request; raise Throttled."""
        now = asyncio.get_running_loop().time()
        if now >= self._ends_at:
            self._counts.clear()
            self._ends_at = now + self._period
        count = self._counts[user_id] = self._counts.get(user_id, 0) + 1
        if self._most is not None and count > self._most:
            raise Throttled(self._ends_at - now)


async def _send_problem(send: Any, error: Any) -> None:
    body = msgspec.json.encode(problem(error.status_code, str(error.detail), error.detail.code))
    # As REST framework sends them.
    wait = str(math.ceil(error.wait or 0)).encode()
    await _respond(send, error.status_code, body, MEDIA_TYPE, (b"retry-after", wait))


async def _respond(
    send: Any, status: int, body: bytes, content_type: str, *headers: tuple[bytes, bytes]
) -> None:
    all_headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
