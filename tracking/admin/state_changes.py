"""The table of a driver's changes of state, newest first."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from tracking.admin.cells import map_url, minute_cell, status_cell, user_cell
from tracking.admin.tables import Table, paged
from tracking.admin.trip_cells import linked
from tracking.models import DriverStateChange, State


def changes_table(request: HttpRequest, site: str, driver_id: Any, *, has_places: bool) -> Table:
    """Return a page of the changes; the places are locations of the driver."""
    changes = DriverStateChange.objects.filter(driver=driver_id).order_by("-changed_at", "-pk")
    page = paged(request, "changes", changes.select_related("trip").prefetch_related("changed_by"))
    may_view_trips = request.user.has_perm("tracking.view_trip")
    rows = []
    for change in page.rows:
        trip: str = "–"
        if change.trip is not None:
            name = str(change.trip)
            trip = linked(site, change.trip.pk, name) if may_view_trips else name
        cells = [
            minute_cell(change.changed_at),
            _states(change),
            change.reason or "–",
            trip,
            user_cell(change, "changed_by"),
        ]
        rows.append([*cells, _place(change)] if has_places else cells)
    columns = [_("time"), _("state"), _("reason"), _("trip"), _("by")]
    return Table(
        "changes",
        _("Changes"),
        [*columns, _("place")] if has_places else columns,
        rows,
        _("No changes yet."),
        page.newer,
        page.older,
    )


def _states(change: DriverStateChange) -> SafeString:
    new = status_cell(change.state, State(change.state).label)
    if not change.previous:
        return new
    previous = status_cell(change.previous, State(change.previous).label)
    arrow = format_html('<span class="tracking-to">{}</span>', "→")
    return format_html('<span class="tracking-move">{} {} {}</span>', previous, arrow, new)


def _place(change: DriverStateChange) -> SafeString | str:
    if change.latitude is None or change.longitude is None:
        return "–"
    return format_html(
        '<a href="{}" target="_blank" rel="noopener noreferrer" aria-label="{}">{}</a>',
        map_url(change.latitude, change.longitude),
        _("Show the place on a map"),
        _("Show"),
    )
