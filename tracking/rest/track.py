"""A driver's track over HTTP: as GeoJSON, GPX, CSV or NDJSON, and its erasure."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from django.http import HttpResponseBase, QueryDict
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record_past
from tracking.history import formats
from tracking.history.erasure import erase
from tracking.history.erasure_log import ErasureLogError
from tracking.history.pages import MAX_POINTS, Page, first_page, read_flagged
from tracking.history.reading import CONTEXT, HourCount, count_by_hour, with_context
from tracking.history.rows import Span
from tracking.ids import DriverId, to_plain
from tracking.models import LocationAccess
from tracking.rest.history import HistoryView, MayEraseTrack, MayViewTrack
from tracking.rest.problems import Unavailable
from tracking.rest.streaming import stream
from tracking.rest.windows import (
    Window,
    check_names,
    choice_of,
    invalid,
    number_of,
    purpose_of,
    time_of,
    window_of,
    zone_of,
)

logger = logging.getLogger(__name__)

PARAMETERS: Final = ("from", "to", "day", "tz", "max_points", "format", "purpose")

# The media types of the formats. The first one is the default.
FORMATS: Final = {
    "geojson": "application/geo+json",
    "gpx": "application/gpx+xml",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}

NOT_LOGGED: Final = "the file of erasures cannot be written, so nothing was erased: try again later"


class Erasure(msgspec.Struct):
    """The counts of an erasure."""

    fixes: Annotated[int, Meta(description="The number of deleted fixes.")]
    location: Annotated[
        bool, Meta(description="Whether the last known location was deleted, as it was older.")
    ]
    holds: Annotated[
        int, Meta(description="The number of holds that kept fixes, until they are released.")
    ]


class TrackView(HistoryView):
    """A driver's track in a window, and its erasure."""

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "DELETE":
            return [IsAuthenticated(), MayEraseTrack()]
        return [IsAuthenticated(), MayViewTrack()]

    def get(self, request: Request, driver_id: DriverId) -> HttpResponseBase:
        now = timezone.now()
        asked = _asked(request.query_params, now)
        record_past(
            request.user.pk,
            LocationAccess.Way.TRACK,
            driver_id,
            since=asked.window.since,
            until=asked.window.until,
            purpose=asked.purpose,
        )
        counts = count_by_hour(driver_id, *asked.window)
        page = first_page(counts, asked.window.until)
        following = None
        if page.following is not None:
            following = _address(request, page.following, asked.window.until)
        etag = unchanged = None
        if asked.window.until + CONTEXT <= now:
            etag = _etag(driver_id, asked, counts, following)
        if etag is not None:
            unchanged = get_conditional_response(request._request, etag=etag)
        response = unchanged or _streamed(request, driver_id, asked, page, following)
        if etag is not None:
            # The user's browser may store the response, and must revalidate it each time.
            response.headers["ETag"] = etag
            response.headers["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response

    def delete(self, request: Request, driver_id: DriverId) -> Response:
        """Erase the fixes recorded before a time, for ever, except those that are held."""
        query = request.query_params
        check_names(query, ("before", "tz"))
        before = time_of(query, "before", zone_of(query))
        if before is None:
            raise invalid("before", _("This parameter is required."))
        # A later time would refuse what the driver reports until then.
        if before > timezone.now():
            raise invalid("before", _("The time must not be in the future."))
        try:
            erased = erase(driver_id, before, by=request.user.pk)
        except ErasureLogError as error:
            logger.exception("Nothing was erased, because the erasure log cannot be written")
            raise Unavailable(NOT_LOGGED) from error
        erasure = Erasure(erased.fixes, erased.location, erased.holds)
        return Response(msgspec.to_builtins(erasure))


class _Asked(NamedTuple):
    """The parameters of a track, checked."""

    window: Window
    kind: str
    max_points: int | None
    purpose: str


def _asked(query: QueryDict, now: datetime) -> _Asked:
    check_names(query, PARAMETERS)
    window = window_of(query, now)
    kind = choice_of(query, "format", FORMATS)
    max_points = number_of(query, "max_points", 2, MAX_POINTS)
    if max_points is not None and kind != "geojson":
        text = _("Only GeoJSON is thinned: the other formats are complete.")
        raise invalid("max_points", text)
    return _Asked(window, kind, max_points, purpose_of(query))


def _streamed(
    request: Request, driver_id: DriverId, asked: _Asked, page: Page, following: str | None
) -> HttpResponseBase:
    fixes = read_flagged(driver_id, page.counts, asked.window.since, page.until)
    if request.method == "HEAD":
        chunks: Iterator[bytes] = iter(())
    elif asked.kind == "gpx":
        chunks = formats.gpx(driver_id, fixes)
    elif asked.kind == "csv":
        chunks = formats.csv(fixes)
    elif asked.kind == "ndjson":
        chunks = formats.ndjson(driver_id, fixes)
    else:
        chunks = formats.geojson(driver_id, fixes, max_points=asked.max_points, following=following)
    response = stream(request._request, chunks, FORMATS[asked.kind])
    if asked.kind != "geojson":
        name = f"driver-{driver_id}-{asked.window.since:%Y%m%dT%H%M%SZ}.{asked.kind}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if following is not None:
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


def _etag(
    driver_id: DriverId, asked: _Asked, counts: Sequence[HourCount], following: str | None
) -> str | None:
    """Return a hash of all that a response depends on: a kept fix never changes.

    The fixes around the window decide about flags. Return None while an hour is both hot and
    packed, as it may have the same fix twice.
    """
    window = asked.window
    around = with_context(driver_id, Span(*window))
    before = count_by_hour(driver_id, around.since, window.since)
    after = count_by_hour(driver_id, window.until, around.until)
    if not all(hour.exact for hour in (*before, *counts, *after)):
        return None
    depends = (around, before, counts, after, following)
    parts = (formats.VERSION, to_plain(driver_id), asked[:3], *depends)
    return f'"{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]}"'


def _address(request: Request, since: datetime, until: datetime) -> str:
    """Return the URL of the same request for another window."""
    query = request.query_params.copy()
    for name in ("day", "tz"):
        query.pop(name, None)
    for name, time in (("from", since), ("to", until)):
        query[name] = time.isoformat().replace("+00:00", "Z")
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
