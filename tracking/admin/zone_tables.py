"""The tables of a zone's page: the drivers inside now, and the last visits."""

from django.http import HttpRequest
from django.utils.translation import gettext as _

from tracking.admin.cells import duration, minute_cell, user_cell
from tracking.admin.tables import Table, paged
from tracking.models import Zone, ZoneVisit


def zone_tables(request: HttpRequest, zone: Zone) -> tuple[list[Table], list[ZoneVisit]]:
    """Return the tables, and the visits in them. Of each, the page that the query asks for."""
    visits = ZoneVisit.objects.filter(zone=zone).prefetch_related("driver")
    inside = paged(request, "inside", visits.filter(exited_at=None).order_by("-entered_at"))
    last = paged(request, "visits", visits.exclude(exited_at=None).order_by("-exited_at", "-pk"))
    tables = [
        Table(
            "inside",
            _("Inside now"),
            [_("driver"), _("entered"), _("dwelling since")],
            [
                [
                    user_cell(visit, "driver"),
                    minute_cell(visit.entered_at),
                    minute_cell(visit.dwelled_at) if visit.dwelled_at else "–",
                ]
                for visit in inside.rows
            ],
            _("Nobody is inside."),
            inside.newer,
            inside.older,
        ),
        Table(
            "visits",
            _("Last visits"),
            [_("driver"), _("entered"), _("exited"), _("duration")],
            [
                [
                    user_cell(visit, "driver"),
                    minute_cell(visit.entered_at),
                    minute_cell(visit.exited_at),
                    duration(max(0.0, (visit.exited_at - visit.entered_at).total_seconds())),
                ]
                for visit in last.rows
            ],
            _("No visits yet."),
            last.newer,
            last.older,
        ),
    ]
    return tables, [*inside.rows, *last.rows]
