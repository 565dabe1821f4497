"""Last known locations in the admin. Read-only: only `tracking.pipeline.rows` writes them."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.access_log import record
from tracking.admin.cells import age_cell, map_url, status_cell
from tracking.admin.history import HistoryAdmin
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.models import DriverLocation, LocationAccess
from tracking.people import SEARCH_FIELDS, full_name, identity, search_lookups
from tracking.protocol import format_degrees
from tracking.status import Status, has_status, status_of


def _degrees(value: float) -> SafeString:
    # On a right-to-left page, the minus sign would be shown after the number.
    return format_html('<bdi dir="ltr">{}</bdi>', format_degrees(value))


class StatusFilter(admin.SimpleListFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in Status]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DriverLocation]
    ) -> QuerySet[DriverLocation]:
        value = self.value()
        if value is None or value not in Status:
            return queryset
        return queryset.filter(has_status(Status(value), timezone.now()))


@admin.register(DriverLocation)
class DriverLocationAdmin(HistoryAdmin, ReadOnlyAdmin):
    list_display = (
        "driver_identity",
        "status",
        "last_seen",
        "phone_heard",
        "latitude_degrees",
        "longitude_degrees",
        "map_link",
    )
    list_filter = (StatusFilter,)
    list_select_related = ("driver",)
    search_fields = search_lookups("driver")
    ordering = ("-recorded_at",)
    fields = (
        "driver",
        "status",
        "last_seen",
        "phone_heard",
        "device_clock",
        "latitude_degrees",
        "longitude_degrees",
        "map_link",
        "accuracy",
        "heading",
        "speed",
        "recorded_at",
        "received_at",
        "disconnected_at",
    )
    readonly_fields = fields

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    @admin.display(description=gettext_lazy("driver"), ordering=f"driver__{SEARCH_FIELDS[-1]}")
    def driver_identity(self, location: DriverLocation) -> str:
        return identity(location.driver)

    @admin.display(description=gettext_lazy("latitude"), ordering="latitude")
    def latitude_degrees(self, location: DriverLocation) -> str:
        return _degrees(location.latitude)

    @admin.display(description=gettext_lazy("longitude"), ordering="longitude")
    def longitude_degrees(self, location: DriverLocation) -> str:
        return _degrees(location.longitude)

    @admin.display(description=gettext_lazy("status"))
    def status(self, location: DriverLocation) -> str:
        status = status_of(location, timezone.now())
        return status_cell(status.value, status.label)

    @admin.display(description=gettext_lazy("last seen"), ordering="recorded_at")
    def last_seen(self, location: DriverLocation) -> str:
        return age_cell(location.recorded_at)

    @admin.display(description=gettext_lazy("last contact"))
    def phone_heard(self, location: DriverLocation) -> str:
        return age_cell(location.heard)

    @admin.display(description=gettext_lazy("phone's clock"))
    def device_clock(self, location: DriverLocation) -> str:
        """Return how far the phone's clock is off. The location's time is already corrected."""
        offset = location.clock_offset
        if offset is None:
            return _("right")
        text = _("%(time)s behind") if offset > 0 else _("%(time)s ahead")
        return text % {"time": timedelta(seconds=round(abs(offset)))}

    @admin.display(description=gettext_lazy("map"))
    def map_link(self, location: DriverLocation) -> str:
        return format_html(
            '<a href="{}" target="_blank" rel="noopener noreferrer" aria-label="{}">{}</a>',
            map_url(location.latitude, location.longitude),
            _("Show %(driver)s on a map") % {"driver": full_name(location.driver)},
            _("Show"),
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        page: HttpResponse = super().changelist_view(request, extra_context)
        record(request.user.pk, LocationAccess.Way.ADMIN)
        return page

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: DriverLocation | None = None,
    ) -> HttpResponse:
        if obj is not None:
            record(request.user.pk, LocationAccess.Way.ADMIN, [obj.pk])
        return super().render_change_form(request, context, add, change, form_url, obj)
