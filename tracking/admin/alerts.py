"""Alerts in the admin: see them, and acknowledge them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext

from tracking.admin.cells import minute_cell, status_cell, user_cell
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.admin.trip_cells import linked
from tracking.alerts.acknowledge import acknowledge
from tracking.lookups import any_case
from tracking.models import DriverAlert
from tracking.people import identity, search_lookups


class OpenFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", gettext_lazy("open")), ("ended", gettext_lazy("ended"))]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[DriverAlert]"
    ) -> "QuerySet[DriverAlert]":
        if self.value() in ("open", "ended"):
            return queryset.filter(ended_at__isnull=self.value() == "open")
        return queryset


@admin.register(DriverAlert)
class DriverAlertAdmin(ReadOnlyAdmin):
    """Alerts, newest first."""

    list_display = (
        "begins",
        "kind",
        "state",
        "driver_identity",
        "trip_cell",
        "acknowledged",
        "acknowledger",
        "note",
    )
    list_display_links = None
    list_filter = (OpenFilter, "kind")
    list_select_related = ("driver", "trip")
    search_fields = (any_case("trip__reference"), *search_lookups("driver"))
    search_help_text = gettext_lazy("Search by driver, or by the reference of a trip")
    ordering = ("-since", "-pk")
    empty_value_display = "–"
    # Counting all rows of a large table takes PostgreSQL seconds.
    show_full_result_count = False
    actions = ("acknowledge_selected",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[DriverAlert]":
        # A join would leave out those that a deleted user has acknowledged.
        alerts: QuerySet[DriverAlert] = super().get_queryset(request)
        return alerts.defer("route").prefetch_related("acknowledged_by")

    @admin.display(description=gettext_lazy("since"), ordering="since")
    def begins(self, alert: DriverAlert) -> SafeString:
        return minute_cell(alert.since)

    @admin.display(description=gettext_lazy("state"), ordering="ended_at")
    def state(self, alert: DriverAlert) -> SafeString:
        if alert.ended_at:
            return status_cell("offline", gettext_lazy("ended"))
        return status_cell("stale", gettext_lazy("open"))

    @admin.display(description=gettext_lazy("driver"))
    def driver_identity(self, alert: DriverAlert) -> SafeString:
        return identity(alert.driver)

    @admin.display(description=gettext_lazy("trip"))
    def trip_cell(self, alert: DriverAlert) -> SafeString:
        return linked(self.admin_site.name, alert.trip_id, str(alert.trip))

    @admin.display(description=gettext_lazy("trip"))
    def trip_text(self, alert: DriverAlert) -> str:
        return str(alert.trip)

    @admin.display(description=gettext_lazy("acknowledged at"), ordering="acknowledged_at")
    def acknowledged(self, alert: DriverAlert) -> SafeString | str:
        return minute_cell(alert.acknowledged_at) if alert.acknowledged_at else "–"

    @admin.display(description=gettext_lazy("acknowledged by"))
    def acknowledger(self, alert: DriverAlert) -> str:
        return user_cell(alert, "acknowledged_by")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        may_view = request.user.has_perm("tracking.view_trip")
        return tuple(
            "trip_text" if name == "trip_cell" and not may_view else name
            for name in self.list_display
        )

    @admin.action(
        description=gettext_lazy("Acknowledge selected alerts"), permissions=["acknowledge"]
    )
    def acknowledge_selected(self, request: HttpRequest, queryset: "QuerySet[DriverAlert]") -> None:
        user: Any = request.user
        waiting = list(queryset.filter(acknowledged_at=None).values_list("pk", flat=True))
        for pk in waiting:
            acknowledge(pk, by=user.pk)
        text = ngettext(
            "%(count)d alert acknowledged.", "%(count)d alerts acknowledged.", len(waiting)
        )
        self.message_user(request, text % {"count": len(waiting)})

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracking.change_driveralert") or request.user.has_perm(
            "tracking.change_trip"
        )
