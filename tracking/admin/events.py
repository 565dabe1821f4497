"""Events in the admin, read-only, with their deliveries."""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.cells import minute_cell, user_cell
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.admin.trip_cells import linked
from tracking.admin.webhook_cells import type_cell
from tracking.admin.webhook_tables import deliveries_table
from tracking.lookups import any_case
from tracking.models import Event, EventType, Trip
from tracking.people import USER_IDS, full_name, search_lookups


class OneFilter(admin.SimpleListFilter):
    """A filter for one driver or trip, to which the pages link. It shows only if it is used."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        value = self.value()
        return [(value, self.name_of(value))] if value is not None else []

    def name_of(self, value: str) -> str:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Event]") -> "QuerySet[Event]":
        value = self.value()
        if value is None:
            return queryset
        pk = self.parse(value)
        return queryset.none() if pk is None else queryset.filter((self.parameter_name, pk))

    def parse(self, value: str) -> Any:
        raise NotImplementedError


class DriverFilter(OneFilter):
    title = gettext_lazy("driver")
    parameter_name = "driver"

    def parse(self, value: str) -> Any:
        return USER_IDS.parse(value)

    def name_of(self, value: str) -> str:
        user = get_user_model()._default_manager.filter(pk=self.parse(value)).first()
        return full_name(user) if user is not None else f"#{value}"


class TripFilter(OneFilter):
    title = gettext_lazy("trip")
    parameter_name = "trip"

    def parse(self, value: str) -> Any:
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None

    def name_of(self, value: str) -> str:
        trip = Trip.objects.filter(pk=self.parse(value)).first()
        return str(trip) if trip is not None else f"#{value}"


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events, newest first."""

    list_display = ("occurred", "type_cell", "driver_name", "trip_cell", "sequence")
    list_filter = ("type", DriverFilter, TripFilter)
    list_select_related = ("driver", "trip")
    search_fields = (any_case("trip__reference"), *search_lookups("driver"))
    search_help_text = gettext_lazy("Search by driver, or by the reference of a trip")
    # The ids are in the order of time.
    ordering = ("-pk",)
    empty_value_display = "–"
    # Counting all rows of a large table takes PostgreSQL seconds.
    show_full_result_count = False
    change_form_template = "admin/tracking/event/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["tracking/admin.css", "tracking/webhooks-admin.css"]
        }

    @admin.display(description=gettext_lazy("time"), ordering="-pk")
    def occurred(self, event: Event) -> SafeString:
        return minute_cell(event.occurred_at)

    @admin.display(description=gettext_lazy("type"), ordering="type")
    def type_cell(self, event: Event) -> SafeString:
        return type_cell(event.type)

    @admin.display(description=gettext_lazy("type"))
    def type_in_words(self, event: Event) -> SafeString:
        return format_html("{} <code>{}</code>", EventType(event.type).label, event.type)

    @admin.display(description=gettext_lazy("driver"))
    def driver_name(self, event: Event) -> str:
        return user_cell(event, "driver")

    @admin.display(description=gettext_lazy("trip"))
    def trip_cell(self, event: Event) -> SafeString | str:
        return (
            "–"
            if event.trip is None
            else linked(self.admin_site.name, event.trip.pk, str(event.trip))
        )

    @admin.display(description=gettext_lazy("trip"))
    def trip_text(self, event: Event) -> str:
        return "–" if event.trip is None else str(event.trip)

    @admin.display(description=gettext_lazy("signal sent, deliveries made"))
    def dispatched(self, event: Event) -> SafeString | str:
        at = event.dispatched_at
        return minute_cell(at) if at else _("not yet: see whether tracking_deliver runs")

    @admin.display(description="webhook-id")
    def webhook_id(self, event: Event) -> SafeString:
        return format_html("<code>{}</code>", event.pk)

    @admin.display(description=gettext_lazy("data"))
    def data_text(self, event: Event) -> SafeString:
        text = json.dumps(event.data, indent=2, ensure_ascii=False)
        return format_html('<pre class="tracking-text" tabindex="0">{}</pre>', text)

    @admin.display(description=gettext_lazy("more"))
    def more(self, event: Event) -> SafeString:
        url = reverse(f"{self.admin_site.name}:tracking_event_changelist")
        links = [
            format_html('<a href="{}?{}">{}</a>', url, urlencode({name: pk}), text)
            for name, pk, text in (
                ("trip", event.trip_id, _("All events of this trip")),
                ("driver", event.driver_id, _("All events of this driver")),
            )
            if pk is not None
        ]
        return format_html_join(" · ", "{}", ((link,) for link in links))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return _for(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> tuple[str, ...]:
        fields = ["type_in_words", "occurred"]
        if obj is not None and obj.driver_id is not None:
            fields.append("driver_name")
        if obj is not None and obj.trip_id is not None:
            fields += ["trip_cell", "sequence"]
        if len(fields) > 2:
            fields.append("more")
        return _for(request, [*fields, "webhook_id", "dispatched", "data_text"])

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {"title": _("Event %(type)s") % {"type": obj.type}, "subtitle": None}
        if request.user.has_perm("tracking.view_webhookdelivery"):
            site = self.admin_site.name
            rows = obj.deliveries.all()
            context["tables"] = [deliveries_table(request, site, rows, of_event=True)]
        return super().render_change_form(request, context, add, change, form_url, obj)


def _for(request: HttpRequest, names: Any) -> tuple[str, ...]:
    """Return the names of the columns or fields, without links to pages the user may not open."""
    may_view = request.user.has_perm("tracking.view_trip")
    return tuple("trip_text" if name == "trip_cell" and not may_view else name for name in names)
