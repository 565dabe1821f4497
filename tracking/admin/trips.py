"""Trips in the admin: create them, give them to drivers, complete and cancel them."""

from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect

from tracking.admin.read_only import ReadOnlyAdmin
from tracking.admin.trip_columns import TripColumns, distance_of
from tracking.admin.trip_endings import end_trips
from tracking.admin.trip_forms import AssignForm, NewTripForm
from tracking.admin.trip_shares import revoke_share
from tracking.admin.trip_tables import trip_tables
from tracking.admin.user_fields import UserFieldsAdmin
from tracking.lookups import any_case
from tracking.models import Trip, TripStatus
from tracking.people import full_name, search_lookups

# The largest id that a trip can have.
MAX_ID: Final = 2**63 - 1

# The fields of a trip's page: what is shown, and what can be changed of an open trip.
FACTS: Final = (
    "reference_or_id",
    "status_cell",
    "all_riders",
    "created_and_by",
    "assigned",
    "latest_end",
    "ended",
    "matched_distance",
)
EDITABLE: Final = ("driver", "vehicle", "former")


class OpenFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", gettext_lazy("open")), ("ended", gettext_lazy("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trip]) -> QuerySet[Trip]:
        if self.value() in ("open", "ended"):
            return queryset.filter(ended_at__isnull=self.value() == "open")
        return queryset


@admin.register(Trip)
class TripAdmin(TripColumns, UserFieldsAdmin, ReadOnlyAdmin):
    """Trips. Of an open trip the driver and the vehicle can be changed, of others nothing."""

    list_display = (
        "reference_or_id",
        "status_cell",
        "driver_identity",
        "arrives_in",
        "riders_named",
        "created",
        "ended",
    )
    list_filter = (OpenFilter, "status")
    list_select_related = ("driver",)
    search_fields = (any_case("reference"), *search_lookups("driver", "riders"))
    search_help_text = gettext_lazy("Search by reference, driver or rider")
    # Newest first. There is no hierarchy of dates, which would read the whole table.
    ordering = ("-pk",)
    empty_value_display = "–"
    # Counting all rows of a large table takes PostgreSQL seconds.
    show_full_result_count = False
    actions = ("cancel_selected", "complete_selected")
    raw_id_fields = ("driver", "riders")
    change_form_template = "admin/tracking/trip/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    @admin.action(description=gettext_lazy("Cancel selected trips"), permissions=["change"])
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[Trip]
    ) -> HttpResponse | None:
        return end_trips(self, request, queryset, "cancel_selected", TripStatus.CANCELED)

    @admin.action(description=gettext_lazy("Complete selected trips"), permissions=["change"])
    def complete_selected(
        self, request: HttpRequest, queryset: QuerySet[Trip]
    ) -> HttpResponse | None:
        return end_trips(self, request, queryset, "complete_selected", TripStatus.COMPLETE)

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """End a link if its button was pressed; else do as Django does."""
        revoked = revoke_share(self, request, object_id)
        if revoked is not None:
            return revoked
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trip]:
        trips: QuerySet[Trip] = super().get_queryset(request)
        return trips.select_related("driver", "eta").prefetch_related("riders")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Trip], search_term: str
    ) -> tuple[QuerySet[Trip], bool]:
        """Find also the trip that the list shows as "#7"."""
        number = search_term.strip().removeprefix("#")
        if search_term.strip().startswith("#") and number.isascii() and number.isdigit():
            return queryset.filter(pk=min(int(number), MAX_ID)), False
        found: tuple[QuerySet[Trip], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return found

    def get_fieldsets(self, request: HttpRequest, obj: Trip | None = None) -> Any:
        if obj is None:
            return [
                (None, {"fields": ["reference", "riders", "ends_at"]}),
                (_("Driver"), {"fields": list(EDITABLE[:2])}),
            ]
        driver = ["driver_identity", "vehicle"]
        if self.has_change_permission(request, obj):
            driver = list(EDITABLE)
        if obj.driver_id is not None and request.user.has_perm("tracking.view_driverstate"):
            driver.append("state_link")
        empty = {
            name
            for name, value in (
                ("assigned", obj.assigned_at),
                ("latest_end", obj.ends_at),
                ("ended", obj.ended_at),
                ("matched_distance", distance_of(obj)),
            )
            if value is None
        }
        facts = [name for name in FACTS if name not in empty]
        return [(None, {"fields": facts}), (_("Driver"), {"fields": driver})]

    def get_readonly_fields(self, request: HttpRequest, obj: Trip | None = None) -> Any:
        if obj is None:
            return ()
        editable = EDITABLE if self.has_change_permission(request, obj) else ()
        fieldsets = self.get_fieldsets(request, obj)
        names = [name for _title, options in fieldsets for name in options["fields"]]
        return tuple(name for name in names if name not in editable)

    def get_form(
        self,
        request: HttpRequest,
        obj: Trip | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - as in Django
        **kwargs: Any,
    ) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            kwargs["form"] = NewTripForm if obj is None else AssignForm
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.by = request.user.pk  # the class was made for this request
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: Trip | None = None) -> bool:
        is_over = obj is not None and obj.is_over
        return not is_over and admin.ModelAdmin.has_change_permission(self, request, obj)

    def save_model(self, request: HttpRequest, obj: Trip, form: Any, change: bool) -> None:  # noqa: FBT001
        """Do nothing: the form has called `tracking.trips`."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Do nothing, as above."""

    def response_change(self, request: HttpRequest, obj: Trip) -> HttpResponse:
        if obj.driver is None:
            text = _("The trip waits for a driver.")
        else:
            text = _("%(driver)s has this trip now.") % {"driver": full_name(obj.driver)}
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(request.path)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Trip | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {
                "title": _("Trip %(trip)s") % {"trip": obj},
                "subtitle": None,
                "may_assign": self.has_change_permission(request, obj),
                "tables": trip_tables(request, obj),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)
