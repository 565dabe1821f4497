"""The track of a trip over HTTP: of all drivers that had it, one after another."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.http import Http404, HttpResponseBase, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from tracking.access_log import record_past
from tracking.history.formats import time_text
from tracking.history.pages import Part, first_page, part_of
from tracking.models import LocationAccess, Trip, TripMatch
from tracking.polyline import decode
from tracking.rest import tracks
from tracking.rest.history import HistoryView, may_use_history
from tracking.rest.tracks import Track, answer, asked_of
from tracking.rest.windows import check_names, invalid, time_of, zone_of
from tracking.trips.windows import Window, windows_for_rider, windows_of

PARAMETERS: Final = ("from", "to", "tz", *tracks.PARAMETERS)


class TripTrackView(HistoryView):
    """The track of a trip, for staff who may view the history, its riders and its drivers."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request, trip_id: int) -> HttpResponseBase:
        now = timezone.now()
        query = request.query_params
        check_names(query, PARAMETERS)
        asked = asked_of(query)
        trip = Trip.objects.filter(pk=trip_id).first()
        windows = None if trip is None else visible_windows(trip, request.user, now)
        if trip is None or windows is None:
            raise Http404
        matched = _matched(trip) if windows == windows_of(trip, now) else None
        windows = _within(query, windows)
        for window in windows:
            record_past(
                request.user.pk,
                LocationAccess.Way.TRACK,
                window.driver_id,
                since=window.since,
                until=window.until,
                purpose=asked.purpose,
            )
        page = first_page([part_of(*window) for window in windows])
        track = Track(
            page,
            windows[-1].until if windows else now,
            f"Trip {trip.pk}",
            f"trip-{trip.pk}",
            _properties(trip, page.parts) | {"matched": matched},
        )
        return answer(request, track, asked, now)


def visible_windows(trip: Trip, user: Any, now: datetime) -> list[Window] | None:
    """Return the part of a trip that a user may see; None if the user has no part in it.

    A driver that had the trip before sees its own part, and riders what they were permitted to
    watch.
    """
    if may_use_history(user, "view"):
        return windows_of(trip, now)
    if trip.riders.filter(pk=user.pk).exists():
        return windows_for_rider(trip, user.pk, now)
    return windows_of(trip, now, driver_id=user.pk) or None


def _within(query: QueryDict, windows: Sequence[Window]) -> list[Window]:
    """Return the parts of windows from `from` to `to`; raise InvalidParameters."""
    zone = zone_of(query)
    since, until = time_of(query, "from", zone), time_of(query, "to", zone)
    if since is not None and until is not None and since >= until:
        raise invalid("from", _("The window must begin before it ends."))
    cut = [
        Window(
            window.driver_id,
            max(window.since, since or window.since),
            min(window.until, until or window.until),
        )
        for window in windows
    ]
    return [window for window in cut if window.since < window.until]


def _matched(trip: Trip) -> dict[str, Any] | None:
    """Return the whole trip's way on the streets as GeoJSON says it; None without one.

    So nobody gets it who may see only a part of the trip.
    """
    match = TripMatch.objects.filter(trip=trip, distance__isnull=False).first()
    if match is None:
        return None
    lines = [[(x, y) for y, x in decode(line)] for line in match.line.split("\n")]
    geometry = {"type": "MultiLineString", "coordinates": lines}
    return {"distance": match.distance, "geometry": geometry}


def _properties(trip: Trip, parts: Sequence[Part]) -> dict[str, Any]:
    """Return what GeoJSON says of a page of the trip: its drivers, and the seconds they had it."""
    seconds = sum((part.window.until - part.window.since).total_seconds() for part in parts)
    drivers = [
        {
            "userId": part.driver_id,
            "from": time_text(part.window.since),
            "to": time_text(part.window.until),
        }
        for part in parts
    ]
    return {
        "tripId": trip.pk,
        "reference": trip.reference,
        "drivers": drivers,
        "duration": round(seconds, 3),
    }
