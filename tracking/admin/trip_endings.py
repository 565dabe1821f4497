"""The actions that cancel or complete trips, after a confirmation."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tracking import trips
from tracking.admin.confirmation import confirmation_context, count_missing, is_confirmed
from tracking.admin.problems import show_problems
from tracking.models import Trip, TripStatus
from tracking.people import full_name
from tracking.trips.life import MAX_REASON

# Trips of one action: a page of the list. Each takes a transaction and notices to all workers.
MAX_TRIPS: Final = 100


def end_trips(
    model_admin: "ModelAdmin[Any]",
    request: HttpRequest,
    queryset: QuerySet[Trip],
    action: str,
    status: TripStatus,
) -> HttpResponse | None:
    """Show the confirmation page; once it is confirmed, complete or cancel the trips."""
    selected = list(queryset[: MAX_TRIPS + 1])
    if len(selected) > MAX_TRIPS:
        text = _("Select %(count)d trips at most: nothing was changed.")
        model_admin.message_user(request, text % {"count": MAX_TRIPS}, messages.ERROR)
        return None
    is_open = [trip for trip in selected if not trip.is_over]
    if is_confirmed(request) or not is_open:
        _end(model_admin, request, selected, status)
        return None
    title, question = _texts(status, len(is_open))
    context = confirmation_context(model_admin, request, action, selected, title)
    context["question"] = question
    context["open"] = [
        {
            "name": trip,
            "status": TripStatus(trip.status).label,
            "driver": full_name(trip.driver) if trip.driver is not None else "",
        }
        for trip in is_open
    ]
    context["ended"] = len(selected) - len(is_open)
    context["max_reason"] = MAX_REASON
    return TemplateResponse(request, "admin/tracking/trip/end_confirmation.html", context)


def _texts(status: TripStatus, count: int) -> tuple[str, str]:
    if status == TripStatus.CANCELED:
        return _("Cancel trips"), ngettext(
            "Cancel this trip? Its driver is free again, and nobody follows it any more. This "
            "can't be undone.",
            "Cancel these %(count)d trips? Their drivers are free again, and nobody follows them "
            "any more. This can't be undone.",
            count,
        ) % {"count": count}
    return _("Complete trips"), ngettext(
        "Complete this trip? Its driver is free again, and nobody follows it any more. This "
        "can't be undone.",
        "Complete these %(count)d trips? Their drivers are free again, and nobody follows them "
        "any more. This can't be undone.",
        count,
    ) % {"count": count}


def _end(
    model_admin: "ModelAdmin[Any]",
    request: HttpRequest,
    selected: Sequence[Trip],
    status: TripStatus,
) -> None:
    """End each trip in a transaction of its own, so that one conflict undoes no other."""
    reason = request.POST.get("reason", "").strip()
    count, problems = 0, []
    for trip in selected:
        try:
            if trip.is_over:
                raise trips.TripOver(trip)
            trips.set_status(trip, status, reason=reason, by=request.user.pk)
            count += 1
        except trips.TripOver as error:
            ended = TripStatus(error.trip.status).label
            problems.append(_("%(trip)s is %(status)s already.") % {"trip": trip, "status": ended})
        except (trips.TripConflict, trips.InvalidTrip) as error:
            problems.append(f"{trip}: {error}")
    if status == TripStatus.CANCELED:
        text = ngettext("%(count)d trip canceled.", "%(count)d trips canceled.", count)
    else:
        text = ngettext("%(count)d trip completed.", "%(count)d trips completed.", count)
    if count:
        model_admin.message_user(request, text % {"count": count}, messages.SUCCESS)
    show_problems(model_admin, request, problems)
    if is_confirmed(request) and (missing := count_missing(request, selected)):
        text = ngettext(
            "%(count)d trip is not in the list any more.",
            "%(count)d trips are not in the list any more.",
            missing,
        )
        model_admin.message_user(request, text % {"count": missing}, messages.ERROR)
