"""The tables of a trip's page: waypoints, drivers, links and changes."""

from typing import Final

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.cells import map_url, minute_cell, user_cell
from tracking.admin.tables import PAGE, Table, paged
from tracking.admin.trip_cells import trip_status_cell
from tracking.admin.trip_shares import shares_table
from tracking.models import Trip
from tracking.people import full_name

KINDS: Final = {
    "pickup": gettext_lazy("pickup"),
    "stop": gettext_lazy("stop"),
    "dropoff": gettext_lazy("destination"),
}


def trip_tables(request: HttpRequest, trip: Trip) -> list[Table]:
    """Return the tables. Of the changes, the page that the query asks for."""
    return [
        _waypoints(trip),
        _drivers(trip),
        shares_table(request, trip),
        _changes(request, trip),
    ]


def _waypoints(trip: Trip) -> Table:
    rows = [
        [
            KINDS[place["kind"]],
            place["name"] or "–",
            format_html(
                '<a href="{}" target="_blank" rel="noopener noreferrer" aria-label="{}">{}</a>',
                map_url(place["lat"], place["lon"]),
                _("Show waypoint %(number)d on a map") % {"number": number},
                _("Show"),
            ),
        ]
        for number, place in enumerate(trip.waypoints, 1)
    ]
    columns = [_("waypoint"), _("address"), _("map")]
    return Table("waypoints", _("Waypoints"), columns, rows, _("No waypoints."))


def _drivers(trip: Trip) -> Table:
    """Return the newest assignments; all of them are among the changes."""
    newest = trip.assignments.order_by("-since", "-pk").select_related("driver")
    rows = [
        [
            full_name(assignment.driver),
            minute_cell(assignment.since),
            minute_cell(assignment.until) if assignment.until else _("now"),
            user_cell(assignment, "assigned_by"),
        ]
        for assignment in newest.prefetch_related("assigned_by")[:PAGE]
    ]
    columns = [_("driver"), _("from"), _("until"), _("assigned by")]
    return Table("drivers", _("Drivers"), columns, rows, _("No driver yet."))


def _changes(request: HttpRequest, trip: Trip) -> Table:
    changes = trip.changes.order_by("-version").select_related("driver")
    page = paged(request, "changes", changes.prefetch_related("changed_by"))
    rows = [
        [
            minute_cell(change.changed_at),
            trip_status_cell(change.status),
            user_cell(change, "driver"),
            change.reason or "–",
            user_cell(change, "changed_by"),
        ]
        for change in page.rows
    ]
    columns = [_("time"), _("status"), _("driver"), _("reason"), _("by")]
    return Table("changes", _("Changes"), columns, rows, _("No changes."), page.newer, page.older)
