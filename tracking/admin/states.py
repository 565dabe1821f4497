"""Drivers' states in the admin: see them and their changes, and set drivers on and off duty."""

from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tracking import states
from tracking.access_log import record
from tracking.admin.cells import age_cell, minute_cell, status_cell
from tracking.admin.problems import show_problems
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.admin.state_changes import changes_table
from tracking.admin.trip_cells import trip_link, trip_name
from tracking.models import DriverLocation, DriverState, LocationAccess, State
from tracking.people import SEARCH_FIELDS, full_name, identity, search_lookups

# Drivers of one action: a page of the list. Each takes a transaction and a notice to all workers.
MAX_DRIVERS: Final = 100


class TripFilter(admin.SimpleListFilter):
    title = gettext_lazy("trip")
    parameter_name = "has_trip"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("has a trip")), ("no", gettext_lazy("has no trip"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DriverState]
    ) -> QuerySet[DriverState]:
        if self.value() in ("yes", "no"):
            return queryset.filter(trip__isnull=self.value() == "no")
        return queryset


@admin.register(DriverState)
class DriverStateAdmin(ReadOnlyAdmin):
    """States. Only the vehicle type can be changed by hand; states are set by the two actions."""

    list_display = ("driver_identity", "state_cell", "since_cell", "trip_cell", "vehicle_type")
    list_filter = ("state", TripFilter)
    list_select_related = ("driver", "trip")
    search_fields = search_lookups("driver")
    search_help_text = gettext_lazy("Search by driver")
    ordering = ("-since", "-pk")
    empty_value_display = "–"
    actions = ("set_on_duty", "set_off_duty")
    change_form_template = "admin/tracking/driverstate/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    @admin.display(description=gettext_lazy("driver"), ordering=f"driver__{SEARCH_FIELDS[-1]}")
    def driver_identity(self, row: DriverState) -> str:
        return identity(row.driver)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_cell(self, row: DriverState) -> str:
        return status_cell(row.state, State(row.state).label)

    @admin.display(description=gettext_lazy("since"), ordering="-since")
    def since_cell(self, row: DriverState) -> str:
        return age_cell(row.since)

    @admin.display(description=gettext_lazy("since"))
    def since_time(self, row: DriverState) -> str:
        return minute_cell(row.since)

    @admin.display(description=gettext_lazy("trip"))
    def trip_cell(self, row: DriverState) -> str:
        return trip_link(self.admin_site.name, row)

    @admin.display(description=gettext_lazy("trip"))
    def trip_text(self, row: DriverState) -> str:
        return trip_name(row)

    @admin.display(description=gettext_lazy("last known location"))
    def location_link(self, row: DriverState) -> SafeString | str:
        location = DriverLocation.objects.filter(pk=row.pk).first()
        if location is None:
            return _("None")
        site = self.admin_site.name
        url = reverse(f"{site}:tracking_driverlocation_change", args=[quote(row.pk)])
        return format_html('<a href="{}">{}</a>', url, age_cell(location.recorded_at))

    @admin.display(description=gettext_lazy("history"))
    def day_link(self, row: DriverState) -> SafeString:
        # Without a date, the page shows the day of the last known location.
        site = self.admin_site.name
        url = reverse(f"{site}:tracking_driverlocation_day", args=[quote(row.pk)])
        return format_html('<a href="{}">{}</a>', url, _("Show the day on a map"))

    @admin.action(description=gettext_lazy("Set on duty (available)"), permissions=["change"])
    def set_on_duty(self, request: HttpRequest, queryset: QuerySet[DriverState]) -> None:
        count = self._set(request, queryset, State.AVAILABLE)
        text = ngettext(
            "%(count)d driver is on duty now.", "%(count)d drivers are on duty now.", count
        )
        self._tell(request, text, count)

    @admin.action(description=gettext_lazy("Set off duty"), permissions=["change"])
    def set_off_duty(self, request: HttpRequest, queryset: QuerySet[DriverState]) -> None:
        count = self._set(request, queryset, State.NON_OPERATIONAL)
        text = ngettext(
            "%(count)d driver is off duty now.", "%(count)d drivers are off duty now.", count
        )
        self._tell(request, text, count)

    def _set(self, request: HttpRequest, queryset: QuerySet[DriverState], state: State) -> int:
        """Set the state of the drivers, show a message for each conflict, and return the number of
        the others. Each driver is a transaction of its own.
        """
        rows = list(queryset.select_related("driver")[: MAX_DRIVERS + 1])
        if len(rows) > MAX_DRIVERS:
            text = _("Select %(count)d drivers at most: nothing was changed.")
            self.message_user(request, text % {"count": MAX_DRIVERS}, messages.ERROR)
            return 0
        problems = []
        for row in rows:
            try:
                states.set_state(row.driver, state, by=request.user.pk)
            except states.StateConflict as conflict:
                problems.append(_problem(full_name(row.driver), conflict))
        show_problems(self, request, problems)
        return len(rows) - len(problems)

    def _tell(self, request: HttpRequest, text: str, count: int) -> None:
        if count:
            self.message_user(request, text % {"count": count}, messages.SUCCESS)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return _for(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: DriverState | None = None) -> tuple[str, ...]:
        fields = ["driver_identity", "state_cell", "since_time", "trip_cell", "vehicle_type"]
        if request.user.has_perm("tracking.view_driverlocation"):
            fields.append("location_link")
        if request.user.has_perm("tracking.view_historyfix"):
            fields.append("day_link")
        return _for(request, fields)

    def get_readonly_fields(
        self, request: HttpRequest, obj: DriverState | None = None
    ) -> tuple[str, ...]:
        return tuple(name for name in self.get_fields(request, obj) if name != "vehicle_type")

    def has_change_permission(self, request: HttpRequest, obj: DriverState | None = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj)

    def save_model(self, request: HttpRequest, obj: DriverState, form: Any, change: bool) -> None:  # noqa: FBT001
        states.set_vehicle_type(obj.pk, obj.vehicle_type)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: DriverState | None = None,
    ) -> HttpResponse:
        if obj is not None:
            has_places = request.user.has_perm("tracking.view_driverlocation")
            if has_places:
                record(request.user.pk, LocationAccess.Way.ADMIN, [obj.pk])
            context |= {
                "title": full_name(obj.driver),
                "subtitle": None,
                "show_save_and_continue": False,
                "tables": [
                    changes_table(request, self.admin_site.name, obj.pk, has_places=has_places)
                ],
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


def _for(request: HttpRequest, names: Any) -> tuple[str, ...]:
    """Return the names of the columns or fields, without links to pages the user may not open."""
    may_view = request.user.has_perm("tracking.view_trip")
    return tuple("trip_text" if name == "trip_cell" and not may_view else name for name in names)


def _problem(driver: str, conflict: states.StateConflict) -> str:
    if conflict.trip is None:
        return f"{driver}: {conflict}"
    text = _("%(driver)s has trip %(trip)s: complete it, cancel it or assign another driver.")
    return text % {"driver": driver, "trip": conflict.trip}
