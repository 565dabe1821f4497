"""The tables of deliveries on the pages of an endpoint and of an event."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tracking.admin.cells import minute_cell
from tracking.admin.tables import Table, paged
from tracking.admin.webhook_cells import delivery_status_and_next, page_link, result
from tracking.models import WebhookDelivery


def deliveries_table(
    request: HttpRequest, site: str, rows: "QuerySet[WebhookDelivery]", *, of_event: bool
) -> Table:
    """Return a page of the deliveries, newest first: those of an event, or those of an endpoint."""
    page = paged(request, "deliveries", rows.order_by("-pk").select_related("event", "endpoint"))
    cells = []
    for row in page.rows:
        name: Any = str(row.endpoint) if of_event else row.event.type
        cells.append(
            [
                page_link(site, row, minute_cell(row.created_at)),
                name,
                delivery_status_and_next(row),
                result(row),
                row.attempts,
            ]
        )
    columns = [
        _("time"),
        _("endpoint") if of_event else _("event"),
        _("status"),
        _("answer"),
        _("attempts"),
    ]
    empty = _("No endpoint gets this event.") if of_event else _("No deliveries yet.")
    return Table("deliveries", _("Deliveries"), columns, cells, empty, page.newer, page.older)
