"""Holds on the history, and its erasures, in the admin. Only holds can be changed: released."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tracking.admin.cells import minute_cell, status_cell, user_cell
from tracking.admin.confirmation import confirmation_context, is_confirmed
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.history.retention import release
from tracking.lookups import any_case
from tracking.models import HistoryErasure, HistoryHold
from tracking.people import identity, search_lookups


class ReleasedFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("held", gettext_lazy("held")), ("released", gettext_lazy("released"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[HistoryHold]
    ) -> QuerySet[HistoryHold]:
        if self.value() in ("held", "released"):
            return queryset.filter(released_at__isnull=self.value() == "held")
        return queryset


@admin.register(HistoryHold)
class HistoryHoldAdmin(ReadOnlyAdmin):
    list_display = ("reference", "state", "driver_identity", "begins", "ends", "holder", "released")
    list_display_links = None
    list_filter = (ReleasedFilter,)
    search_fields = (any_case("reference"),)
    search_help_text = gettext_lazy("Search by reference or driver")
    ordering = ("-held_at", "-pk")
    actions = ("release_selected",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[HistoryHold]:
        # A join would leave out the holds of deleted drivers.
        holds: QuerySet[HistoryHold] = super().get_queryset(request)
        return holds.prefetch_related("driver", "held_by")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[HistoryHold], search_term: str
    ) -> tuple[QuerySet[HistoryHold], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        conditions = [Q((lookup, search_term)) for lookup in search_lookups()]
        people = get_user_model()._default_manager.filter(reduce(or_, conditions))
        return found | queryset.filter(driver__in=people.values("pk")), may_repeat

    @admin.display(description=gettext_lazy("state"), ordering="released_at")
    def state(self, hold: HistoryHold) -> str:
        if hold.released_at:
            return status_cell("offline", gettext_lazy("released"))
        return status_cell("live", gettext_lazy("held"))

    @admin.display(description=gettext_lazy("driver"))
    def driver_identity(self, hold: HistoryHold) -> str:
        try:
            return identity(hold.driver)
        except ObjectDoesNotExist:
            return f"#{hold.driver_id}"

    @admin.display(description=gettext_lazy("from"), ordering="since")
    def begins(self, hold: HistoryHold) -> str:
        return minute_cell(hold.since)

    @admin.display(description=gettext_lazy("until"), ordering="until")
    def ends(self, hold: HistoryHold) -> str:
        return minute_cell(hold.until)

    @admin.display(description=gettext_lazy("held by"))
    def holder(self, hold: HistoryHold) -> str:
        return user_cell(hold, "held_by")

    @admin.display(description=gettext_lazy("released at"), ordering="released_at")
    def released(self, hold: HistoryHold) -> str:
        return minute_cell(hold.released_at) if hold.released_at else "–"

    @admin.action(description=gettext_lazy("Release selected holds"), permissions=["release"])
    def release_selected(
        self, request: HttpRequest, queryset: QuerySet[HistoryHold]
    ) -> HttpResponse | None:
        """Release all holds of the selected ones' references, after a confirmation."""
        selected = list(queryset)
        references = {hold.reference for hold in selected if hold.released_at is None}
        if is_confirmed(request):
            count = sum(release(reference, by=request.user.pk) for reference in sorted(references))
            text = ngettext("%(count)d hold released.", "%(count)d holds released.", count)
            self.message_user(request, text % {"count": count})
            return None
        context = confirmation_context(
            self, request, "release_selected", selected, _("Release holds")
        )
        context["holds"] = (
            self.get_queryset(request)
            .filter(reference__in=references, released_at__isnull=True)
            .order_by("reference", "since")
        )
        template = "admin/tracking/historyhold/release_confirmation.html"
        return TemplateResponse(request, template, context)

    def has_release_permission(self, request: HttpRequest) -> bool:
        # What is released may be deleted by the next `tracking_maintain`.
        return request.user.has_perm("tracking.delete_historyfix")


@admin.register(HistoryErasure)
class HistoryErasureAdmin(ReadOnlyAdmin):
    """Erasures, by the driver's id alone: an erased driver has no name here."""

    list_display = ("driver_number", "recorded_before", "erased", "eraser")
    list_display_links = None
    ordering = ("-erased_at", "-pk")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[HistoryErasure]:
        erasures: QuerySet[HistoryErasure] = super().get_queryset(request)
        return erasures.prefetch_related("erased_by")

    @admin.display(description=gettext_lazy("driver"), ordering="driver_id")
    def driver_number(self, erasure: HistoryErasure) -> str:
        return f"#{erasure.driver_id}"

    @admin.display(description=gettext_lazy("recorded before"), ordering="before")
    def recorded_before(self, erasure: HistoryErasure) -> str:
        return minute_cell(erasure.before)

    @admin.display(description=gettext_lazy("erased at"), ordering="erased_at")
    def erased(self, erasure: HistoryErasure) -> str:
        return minute_cell(erasure.erased_at)

    @admin.display(description=gettext_lazy("erased by"))
    def eraser(self, erasure: HistoryErasure) -> str:
        return user_cell(erasure, "erased_by")
