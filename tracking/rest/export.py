"""Everything that is kept about one person, as a zip."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponseBase
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request

from tracking.access_log import record_past
from tracking.history.archive import export_pieces
from tracking.ids import DriverId
from tracking.models import LocationAccess
from tracking.protocol import Forbidden
from tracking.rest.history import HistoryView, MayViewTrack
from tracking.rest.streaming import stream
from tracking.rest.throttling import ExportThrottle
from tracking.rest.windows import check_names, purpose_of


class MayViewLooks(BasePermission):
    """Permits the person, and users who may view the audit trail, of which an export has a part."""

    message = (
        "An export also has who looked at whom. It needs the permission"
        " tracking.view_locationaccess."
    )
    code = Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return user.pk == view.kwargs["driver_id"] or user.has_perm("tracking.view_locationaccess")


class ExportView(HistoryView):
    """The zip of one person, for that person and for staff."""

    permission_classes = (IsAuthenticated, MayViewTrack, MayViewLooks)
    throttle_classes = (ExportThrottle,)

    def get(self, request: Request, driver_id: DriverId) -> HttpResponseBase:
        query = request.query_params
        check_names(query, ("purpose",))
        purpose = purpose_of(query)
        record_past(request.user.pk, LocationAccess.Way.EXPORT, driver_id, purpose=purpose)
        pieces: Iterator[bytes] = iter(())
        if request.method != "HEAD":
            pieces = export_pieces(driver_id, self.requested_language)
        response = stream(request._request, pieces, "application/zip")
        name = f"location-data-{driver_id}.zip"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
