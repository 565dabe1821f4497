"""Locations of all drivers at a past moment, for staff."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.access_log import record_past
from tracking.fix import Fix
from tracking.history.fixes import TrackFix
from tracking.history.past import at
from tracking.ids import DriverId
from tracking.models import LocationAccess
from tracking.protocol import details, format_time
from tracking.rest.fleet import bbox_of
from tracking.rest.history import HistoryView
from tracking.rest.windows import check_names, invalid, purpose_of, time_of, zone_of
from tracking.status import Status, status_of

PARAMETERS = ("time", "tz", "bbox", "purpose")


class FleetAtView(HistoryView):
    """Lists the locations of all active drivers at a past moment, without pages."""

    def get(self, request: Request) -> Response:
        query = request.query_params
        check_names(query, PARAMETERS)
        time = time_of(query, "time", zone_of(query))
        if time is None:
            raise invalid("time", _("This parameter is required."))
        if time > timezone.now():
            raise invalid("time", _("The time must not be in the future."))
        bbox = bbox_of(query["bbox"]) if "bbox" in query else None
        purpose = purpose_of(query)
        way = LocationAccess.Way.PAST
        record_past(request.user.pk, way, since=time, until=time, purpose=purpose)
        results = [
            _details(driver_id, fix, time)
            for driver_id, fix in sorted(at(time).items())
            if bbox is None or bbox.contains(fix.latitude, fix.longitude)
        ]
        return Response({"time": format_time(time), "results": results})


def _details(driver_id: DriverId, fix: TrackFix, time: datetime) -> dict[str, Any]:
    known = Fix(
        driver_id,
        fix.latitude,
        fix.longitude,
        fix.recorded_at,
        fix.received_at,
        accuracy=fix.accuracy,
        heading=fix.heading,
        speed=fix.speed,
    )
    return details(known, _status(known, time))


def _status(fix: Fix, time: datetime) -> Status:
    """Return the status at a past moment; signs of life and departures are not kept.

    A fix that arrived later was still on the phone, which then had sent nothing since.
    """
    if fix.received_at > time:
        fix = Fix(fix.driver_id, fix.latitude, fix.longitude, fix.recorded_at, fix.recorded_at)
    return status_of(fix, time)
