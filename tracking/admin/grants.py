"""Watch grants in the admin: open, reschedule and end them."""

from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from tracking.admin.cells import minute_cell, status_cell
from tracking.admin.forms import DriverForm
from tracking.admin.trip_cells import trip_link, trip_name
from tracking.admin.user_fields import UserFieldsAdmin
from tracking.grants import end_grants, reschedule_grant
from tracking.lookups import any_case
from tracking.models import WatchGrant, WatchGrantQuerySet
from tracking.people import SEARCH_FIELDS, full_name, identity, search_lookups

# The initial value in the form for a new grant. Longer than nearly every trip in a town.
DEFAULT_DURATION: Final = timedelta(hours=1)


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, str(state.label)) for state in WatchGrant.State]

    def queryset(self, request: HttpRequest, queryset: Any) -> WatchGrantQuerySet:
        grants: WatchGrantQuerySet = queryset
        value = self.value()
        if value is None or value not in WatchGrant.State:
            return grants
        return grants.in_state(WatchGrant.State(value), timezone.now())


@admin.register(WatchGrant)
class WatchGrantAdmin(UserFieldsAdmin):
    """Grants. Only the end of a grant can be changed, and only until it was ended."""

    form = DriverForm
    list_display = (
        "reference_or_id",
        "state",
        "driver_identity",
        "watcher_identity",
        "starts",
        "ends",
    )
    list_filter = (StateFilter,)
    list_select_related = ("driver", "watcher")
    search_fields = (
        any_case("reference"),
        *search_lookups("driver", "watcher"),
    )
    ordering = ("-pk",)
    fields = ("driver", "watcher", "starts_at", "ends_at", "reference")
    actions = ("end_selected",)
    raw_id_fields = ("driver", "watcher")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["tracking/admin.css", "tracking/grants-admin.css"]
        }

    @admin.display(description=gettext_lazy("reference"), ordering="reference")
    def reference_or_id(self, grant: WatchGrant) -> str:
        return grant.reference or f"#{grant.pk}"

    @admin.display(description=gettext_lazy("state"))
    def state(self, grant: WatchGrant) -> str:
        state = grant.state_at(timezone.now())
        return status_cell(state.value, state.label)

    @admin.display(description=gettext_lazy("driver"), ordering=f"driver__{SEARCH_FIELDS[-1]}")
    def driver_identity(self, grant: WatchGrant) -> str:
        return identity(grant.driver)

    @admin.display(description=gettext_lazy("watcher"), ordering=f"watcher__{SEARCH_FIELDS[-1]}")
    def watcher_identity(self, grant: WatchGrant) -> str:
        return identity(grant.watcher)

    @admin.display(description=gettext_lazy("starts"), ordering="starts_at")
    def starts(self, grant: WatchGrant) -> str:
        return minute_cell(grant.starts_at)

    @admin.display(description=gettext_lazy("ends"), ordering="ends_at")
    def ends(self, grant: WatchGrant) -> str:
        return minute_cell(grant.ended_at or grant.ends_at)

    @admin.display(description=gettext_lazy("trip"))
    def trip_link(self, grant: WatchGrant) -> str:
        return trip_link(self.admin_site.name, grant)

    @admin.display(description=gettext_lazy("trip"))
    def trip_text(self, grant: WatchGrant) -> str:
        return trip_name(grant)

    @admin.display(description=gettext_lazy("opened by"))
    def opened(self, grant: WatchGrant) -> str:
        return _user_name(grant.opened_by_id)

    @admin.display(description=gettext_lazy("changed by"))
    def changed(self, grant: WatchGrant) -> str:
        return _user_name(grant.changed_by_id)

    @admin.display(description=gettext_lazy("ended by"))
    def ended(self, grant: WatchGrant) -> str:
        return _user_name(grant.ended_by_id)

    @admin.action(description=gettext_lazy("End selected grants"), permissions=["change"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[WatchGrant]) -> None:
        count = end_grants(queryset, by=request.user.pk)
        self.message_user(
            request,
            ngettext("%(count)d grant ended.", "%(count)d grants ended.", count) % {"count": count},
        )

    def get_fields(self, request: HttpRequest, obj: WatchGrant | None = None) -> tuple[str, ...]:
        if obj is None:
            return self.fields
        trip: tuple[str, ...] = ()
        if obj.trip_id is not None:
            may_view = request.user.has_perm("tracking.view_trip")
            trip = ("trip_link" if may_view else "trip_text",)
        return ("state", *self.fields, *trip, "ended_at", "opened", "changed", "ended")

    def get_readonly_fields(
        self, request: HttpRequest, obj: WatchGrant | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return ()
        return tuple(name for name in self.get_fields(request, obj) if name != "ends_at")

    def has_change_permission(self, request: HttpRequest, obj: WatchGrant | None = None) -> bool:
        was_ended = obj is not None and obj.ended_at is not None
        return not was_ended and super().has_change_permission(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now()
        usual = {"starts_at": now, "ends_at": now + DEFAULT_DURATION}
        return {**usual, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: WatchGrant, form: Any, change: bool) -> None:  # noqa: FBT001
        if change:
            reschedule_grant(obj, ends_at=obj.ends_at, by=request.user.pk)
        else:
            obj.opened_by_id = request.user.pk
            # The form has validated all that `open_grant` does.
            obj.save()


def _user_name(user_id: Any) -> str:
    """Return the user's name, "#" and the id of a deleted user, or a dash for None."""
    if user_id is None:
        return "–"
    user = get_user_model()._default_manager.filter(pk=user_id).first()
    return full_name(user) if user is not None else f"#{user_id}"
