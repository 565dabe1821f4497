"""The action that erases drivers' histories, after a confirmation."""

from datetime import tzinfo
from typing import Any, Final, NamedTuple

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tracking.admin.confirmation import confirmation_context, count_missing, is_confirmed
from tracking.history.erasure import erase
from tracking.history.erasure_log import ErasureLogError
from tracking.history.partitions import history_db
from tracking.history.reading import count_by_hour
from tracking.history.rows import EARLIEST
from tracking.models import DriverLocation, HistoryHold
from tracking.people import full_name

# Erasing 60 days of one driver takes up to 2 s, and the request waits.
MAX_DRIVERS: Final = 20


class Kept(NamedTuple):
    """The size of a driver's history: about how many fixes, on how many days, and the holds."""

    name: str
    fixes: str
    days: int
    holds: list[HistoryHold]


def erase_drivers(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, queryset: QuerySet[DriverLocation]
) -> HttpResponse | None:
    """Show the confirmation page; once it is confirmed, erase the histories."""
    locations = list(queryset.select_related("driver")[: MAX_DRIVERS + 1])
    if len(locations) > MAX_DRIVERS:
        text = _("Select %(count)d drivers at most: nothing was erased.")
        model_admin.message_user(request, text % {"count": MAX_DRIVERS}, messages.ERROR)
        return None
    if is_confirmed(request):
        _erase(model_admin, request, locations)
        if missing := count_missing(request, locations):
            text = ngettext(
                "%(count)d driver has no location any more: that history was not erased.",
                "%(count)d drivers have no location any more: those histories were not erased.",
                missing,
            )
            model_admin.message_user(request, text % {"count": missing}, messages.ERROR)
        return None
    zone = timezone.get_current_timezone()
    context = confirmation_context(
        model_admin, request, "erase_history", locations, _("Erase history")
    )
    context["drivers"] = [_kept(location, zone) for location in locations]
    template = "admin/tracking/driverlocation/erase_confirmation.html"
    return TemplateResponse(request, template, context)


def _kept(location: DriverLocation, zone: tzinfo) -> Kept:
    counts = count_by_hour(location.pk, EARLIEST, timezone.now())
    holds = HistoryHold.objects.using(history_db()).filter(
        driver_id=location.pk, released_at__isnull=True
    )
    return Kept(
        full_name(location.driver),
        number_format(sum(count.fixes for count in counts), force_grouping=True),
        len({count.hour.astimezone(zone).date() for count in counts}),
        list(holds.order_by("since")),
    )


def _erase(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, locations: list[DriverLocation]
) -> None:
    drivers = fixes = holds = 0
    try:
        for location in locations:
            erased = erase(location.pk, by=request.user.pk)
            drivers, fixes, holds = drivers + 1, fixes + erased.fixes, holds + erased.holds
    except ErasureLogError:
        text = _("The erasure log can't be written: the rest was not erased.")
        model_admin.message_user(request, text, messages.ERROR)
    if drivers:
        text = ngettext(
            "History of %(count)d driver erased: %(fixes)s.",
            "History of %(count)d drivers erased: %(fixes)s.",
            drivers,
        )
        counted = ngettext("%(count)s fix", "%(count)s fixes", fixes)
        number = number_format(fixes, force_grouping=True)
        text %= {"count": drivers, "fixes": counted % {"count": number}}
        model_admin.message_user(request, text, messages.SUCCESS)
    if holds:
        text = ngettext(
            "%(count)d hold keeps some fixes until it is released.",
            "%(count)d holds keep some fixes until they are released.",
            holds,
        )
        model_admin.message_user(request, text % {"count": holds}, messages.WARNING)
