"""The links to a trip on its page: who shared it, when it was opened, and a button to end one."""

from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from tracking import shares
from tracking.admin.cells import minute_cell, user_cell
from tracking.admin.tables import PAGE, Table
from tracking.models import Trip, TripShare

# The name of the button, whose value is the id of the link.
REVOKE: Final = "_revoke_share"


def shares_table(request: HttpRequest, trip: Trip) -> Table:
    """Return the newest links. The button is for staff who may change trips."""
    may_revoke = request.user.has_perm("tracking.change_trip")
    newest = trip.shares.select_related("created_by").order_by("-pk")[:PAGE]
    now = timezone.now()
    rows = [_row(share, trip, now, may_revoke=may_revoke) for share in newest]
    columns = [_("shared by"), _("shared at"), _("first opened"), _("last opened"), _("ends")]
    columns += [_("link")] if may_revoke else []
    return Table("shares", _("Shared with a link"), columns, rows, _("Not shared."))


def revoke_share(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, trip_id: str | None
) -> HttpResponse | None:
    """End the link whose button was pressed, and return to the page; None if none was."""
    pk = request.POST.get(REVOKE, "")
    numbers = f"{pk}{trip_id}"
    if request.method != "POST" or not pk or not (numbers.isascii() and numbers.isdigit()):
        return None
    if not request.user.has_perm("tracking.change_trip"):
        return None
    share = TripShare.objects.filter(pk=pk, trip__pk=trip_id or 0).first()
    if share is not None:
        shares.revoke(share)
        model_admin.message_user(request, _("The link has ended."), messages.SUCCESS)
    return HttpResponseRedirect(request.get_full_path())


def _row(share: TripShare, trip: Trip, now: datetime, *, may_revoke: bool) -> list[Any]:
    ends_at = share.ended_at or share.expires_at
    row = [
        user_cell(share, "created_by"),
        minute_cell(share.created_at),
        minute_cell(share.opened_at) if share.opened_at else _("not yet"),
        minute_cell(share.last_opened_at) if share.last_opened_at else "–",
        minute_cell(ends_at),
    ]
    if may_revoke:
        is_live = ends_at > now and not trip.is_over
        row.append(_button(share) if is_live else _("ended"))
    return row


def _button(share: TripShare) -> Any:
    return format_html(
        '<button type="submit" class="button" name="{}" value="{}" formnovalidate>{}</button>',
        REVOKE,
        share.pk,
        _("Stop sharing"),
    )
