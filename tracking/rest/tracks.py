"""Answers with a track, of a driver or of a trip: formats, pages, ETag."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
from django.http import HttpResponseBase, QueryDict
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import gettext as _
from rest_framework.request import Request

from tracking.history import formats
from tracking.history.pages import MAX_POINTS, Page, Part
from tracking.history.reading import CONTEXT, count_by_hour, with_context
from tracking.ids import to_plain
from tracking.rest.streaming import stream
from tracking.rest.windows import choice_of, invalid, number_of, purpose_of

# The parameters that every track has, beside those of its window.
PARAMETERS: Final = ("max_points", "format", "with", "purpose")

# The media types of the formats. The first one is the default.
FORMATS: Final = {
    "geojson": "application/geo+json",
    "gpx": "application/gpx+xml",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}


class Asked(NamedTuple):
    """The parameters of a track, checked."""

    kind: str
    max_points: int | None
    purpose: str
    with_phone: bool = False


class Track(NamedTuple):
    """A track's page, the end of the window that was asked for, and what the track is called.

    `title` is for people, `file` a file's name without its ending, `properties` for GeoJSON.
    """

    page: Page
    until: datetime
    title: str
    file: str
    properties: Mapping[str, Any]


def asked_of(query: QueryDict) -> Asked:
    """Return the parameters of a track; raise InvalidParameters."""
    kind = choice_of(query, "format", FORMATS)
    max_points = number_of(query, "max_points", 2, MAX_POINTS)
    if max_points is not None and kind != "geojson":
        text = _("Only GeoJSON is thinned: the other formats are complete.")
        raise invalid("max_points", text)
    # The only choice so far.
    with_phone = "with" in query and choice_of(query, "with", ("phone",)) == "phone"
    if with_phone and kind != "geojson":
        raise invalid("with", _("Only GeoJSON needs this: CSV and NDJSON have it, GPX can't."))
    return Asked(kind, max_points, purpose_of(query), with_phone)


def answer(request: Request, track: Track, asked: Asked, now: datetime) -> HttpResponseBase:
    """Return the response with a track: streamed, or 304 if the client has it already."""
    following = None
    if track.page.following is not None:
        following = _address(request, track.page.following, track.until)
    etag = unchanged = None
    if track.page.parts and track.until + CONTEXT <= now:
        etag = _etag(track, asked, following)
    if etag is not None:
        unchanged = get_conditional_response(request._request, etag=etag)
    response = unchanged or _streamed(request, track, asked, following)
    if etag is not None:
        # The user's browser may store the response, and must revalidate it each time.
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Authorization", "Cookie"])
    return response


def _streamed(
    request: Request, track: Track, asked: Asked, following: str | None
) -> HttpResponseBase:
    chunks = iter(()) if request.method == "HEAD" else _chunks(track, asked, following)
    response = stream(request._request, chunks, FORMATS[asked.kind])
    if asked.kind != "geojson":
        name = f"{track.file}.{asked.kind}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if following is not None:
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


def _chunks(track: Track, asked: Asked, following: str | None) -> Iterator[bytes]:
    parts = track.page.parts
    fixes = (part.fixes() for part in parts)
    if asked.kind == "gpx":
        return formats.gpx(track.title, fixes)
    if asked.kind == "csv":
        return formats.csv(chain.from_iterable(fixes))
    if asked.kind == "ndjson":
        lines = (formats.ndjson(part.driver_id, part.fixes()) for part in parts)
        return chain.from_iterable(lines)
    return formats.geojson(
        track.properties,
        fixes,
        max_points=asked.max_points,
        following=following,
        with_phone=asked.with_phone,
    )


def _etag(track: Track, asked: Asked, following: str | None) -> str | None:
    """Return a hash of all that a response depends on: a kept fix never changes.

    Return None while an hour is both hot and packed, as it may have the same fix twice.
    """
    parts = [_dependencies(part) for part in track.page.parts]
    if None in parts:
        return None
    shape = (asked.kind, asked.max_points, asked.with_phone)
    depends = (formats.VERSION, track.title, track.properties, shape, parts, following)
    return f'"{hashlib.sha256(msgspec.json.encode(depends)).hexdigest()[:32]}"'


def _dependencies(part: Part) -> tuple[Any, ...] | None:
    """Return the numbers of fixes that a part depends on; None if they are not exact.

    The fixes around the window decide about flags.
    """
    around = with_context(part.driver_id, part.window)
    before = count_by_hour(part.driver_id, around.since, part.window.since)
    after = count_by_hour(part.driver_id, part.window.until, around.until)
    if not all(hour.exact for hour in (*before, *part.counts, *after)):
        return None
    return (to_plain(part.driver_id), *part[1:], around, before, after)


def _address(request: Request, since: datetime, until: datetime) -> str:
    """Return the URL of the same request for another window."""
    query = request.query_params.copy()
    for name in ("day", "tz"):
        query.pop(name, None)
    for name, time in (("from", since), ("to", until)):
        query[name] = time.isoformat().replace("+00:00", "Z")
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
