"""A driver's track over HTTP: as GeoJSON, GPX, CSV or NDJSON, and its erasure."""

import logging
from typing import Annotated, Final

import msgspec
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record_past
from tracking.history.erasure import erase
from tracking.history.erasure_log import ErasureLogError
from tracking.history.pages import first_page, part_of
from tracking.ids import DriverId
from tracking.models import LocationAccess
from tracking.rest import tracks
from tracking.rest.history import HistoryView, MayEraseTrack, MayViewTrack
from tracking.rest.problems import Unavailable
from tracking.rest.tracks import Track, answer, asked_of
from tracking.rest.windows import (
    check_names,
    invalid,
    time_of,
    window_of,
    zone_of,
)

logger = logging.getLogger(__name__)

PARAMETERS: Final = ("from", "to", "day", "tz", *tracks.PARAMETERS)

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
        query = request.query_params
        check_names(query, PARAMETERS)
        window = window_of(query, now)
        asked = asked_of(query)
        record_past(
            request.user.pk,
            LocationAccess.Way.TRACK,
            driver_id,
            since=window.since,
            until=window.until,
            purpose=asked.purpose,
        )
        track = Track(
            first_page([part_of(driver_id, *window)]),
            window.until,
            f"Driver {driver_id}",
            f"driver-{driver_id}-{window.since:%Y%m%dT%H%M%SZ}",
            {"userId": driver_id},
        )
        return answer(request, track, asked, now)

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
