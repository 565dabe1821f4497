"""The action that downloads everything about one driver, after a question for the purpose."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.access_log import record_past
from tracking.admin.confirmation import confirmation_context, is_confirmed
from tracking.history.archive import export_pieces
from tracking.models import DriverLocation, LocationAccess
from tracking.people import full_name
from tracking.rest.streaming import stream
from tracking.rest.windows import MAX_PURPOSE


class PurposeForm(forms.Form):
    purpose = forms.CharField(
        label=gettext_lazy("Purpose"),
        required=False,
        max_length=MAX_PURPOSE,
        help_text=gettext_lazy("Kept in the access log. For example: the driver's request."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


def export_driver(
    model_admin: "ModelAdmin[Any]", request: HttpRequest, queryset: QuerySet[DriverLocation]
) -> HttpResponseBase | None:
    """Ask for the purpose; once it is confirmed, record the look and send the zip."""
    locations = list(queryset.select_related("driver")[:2])
    if len(locations) != 1:
        text = _("Select one driver: an export is about one person.")
        model_admin.message_user(request, text, messages.ERROR)
        return None
    (location,) = locations
    form = PurposeForm(request.POST if is_confirmed(request) else None)
    if form.is_valid():
        purpose = form.cleaned_data["purpose"]
        record_past(request.user.pk, LocationAccess.Way.EXPORT, location.pk, purpose=purpose)
        response = stream(request, export_pieces(location.pk), "application/zip")
        name = f"location-data-{location.pk}.zip"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
    context = confirmation_context(
        model_admin, request, "export_history", locations, _("Export everything")
    )
    context |= {"driver_name": full_name(location.driver), "form": form}
    template = "admin/tracking/driverlocation/export_confirmation.html"
    return TemplateResponse(request, template, context)
