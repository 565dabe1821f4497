"""Zones in the admin: draw them on a map, and see who is inside."""

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.access_log import record
from tracking.admin.cells import duration, status_cell
from tracking.admin.zone_form import CIRCLE, ZoneForm
from tracking.admin.zone_tables import zone_tables
from tracking.lookups import any_case
from tracking.models import DriverLocation, LocationAccess, Zone, ZoneVisit

# The zones that the map of another one shows, for orientation, and their corners together: 0.2 MB.
MAX_OTHERS: Final = 500
MAX_CORNERS: Final = 10_000


@admin.register(Zone)
class ZoneAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    form = ZoneForm
    list_display = ("name", "kind_cell", "active_cell", "inside", "dwells")
    list_filter = ("is_active", "kind")
    search_fields = (any_case("name"),)
    search_help_text = gettext_lazy("Search by name")
    ordering = ("name", "pk")
    show_full_result_count = False
    change_form_template = "admin/tracking/zone/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Zone]:
        zones: QuerySet[Zone] = super().get_queryset(request)
        # Not a join, which would read the past visits too.
        open_visits = ZoneVisit.objects.filter(zone=OuterRef("pk"), exited_at=None).order_by()
        count = open_visits.values("zone").annotate(count=Count("pk")).values("count")
        return zones.annotate(inside_count=Coalesce(Subquery(count), 0))

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def kind_cell(self, zone: Zone) -> str:
        if zone.kind == Zone.Kind.CIRCLE:
            metres = number_format(round(zone.radius or 0), force_grouping=True)
            return _("circle, %(metres)s m") % {"metres": metres}
        return _("polygon, %(count)d corners") % {"count": len(zone.polygon)}

    @admin.display(description=gettext_lazy("active"), ordering="is_active")
    def active_cell(self, zone: Zone) -> str:
        if zone.is_active:
            return status_cell("live", gettext_lazy("active"))
        return status_cell("offline", gettext_lazy("off"))

    @admin.display(description=gettext_lazy("drivers inside now"), ordering="inside_count")
    def inside(self, zone: Zone) -> str:
        count: int = zone.inside_count  # type: ignore[attr-defined]  # annotated
        return number_format(count, force_grouping=True) if count else "–"

    @admin.display(description=gettext_lazy("dwells after"), ordering="dwell_after")
    def dwells(self, zone: Zone) -> str:
        return duration(zone.dwell_after) if zone.dwell_after is not None else "–"

    def get_fieldsets(self, request: HttpRequest, obj: Zone | None = None) -> Any:
        return [
            (None, {"fields": ["name", "is_active", "dwell_after"]}),
            (_("Area"), {"fields": ["kind"]}),
            (_("Circle"), {"fields": list(CIRCLE), "classes": ["tracking-zone-circle"]}),
            (_("Polygon"), {"fields": ["polygon"], "classes": ["tracking-zone-polygon"]}),
        ]

    def save_model(self, request: HttpRequest, obj: Zone, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Return the zones and the number of their visits, which may be too many to list."""
        zones = list(objs)
        visits = ZoneVisit.objects.filter(zone__in=[zone.pk for zone in zones]).count()
        counts = {str(self.opts.verbose_name_plural): len(zones)}
        counts[str(ZoneVisit._meta.verbose_name_plural)] = visits
        permitted = self.has_delete_permission(request)
        needed = set() if permitted else {str(self.opts.verbose_name)}
        return [format_html("{}", zone) for zone in zones], counts, needed, []

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as in Django
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Zone | None = None,
    ) -> HttpResponse:
        may_edit = self.has_change_permission(request, obj) if obj else True
        context["zone_map"] = {
            "shape": _shape(obj) if obj else None,
            "others": [_shape(zone) for zone in self._others(obj)],
            "start": _start(),
            "may_edit": may_edit,
        }
        if obj is not None and request.user.has_perm("tracking.view_zonevisit"):
            context["tables"], visits = zone_tables(request, obj)
            drivers = {visit.driver_id for visit in visits}
            if drivers:
                record(request.user.pk, LocationAccess.Way.ADMIN, sorted(drivers))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _others(self, zone: Zone | None) -> list[Zone]:
        others = Zone.objects.filter(is_active=True).order_by("-updated_at")
        if zone is not None:
            others = others.exclude(pk=zone.pk)
        shown, corners = [], 0
        for other in others[:MAX_OTHERS].iterator():
            corners += len(other.polygon)
            if corners > MAX_CORNERS:
                break
            shown.append(other)
        return shown


def _shape(zone: Zone) -> dict[str, Any]:
    """Return a zone for the script of the map."""
    if zone.kind == Zone.Kind.POLYGON:
        return {"name": zone.name, "corners": zone.polygon}
    return {"name": zone.name, "centre": [zone.latitude, zone.longitude], "radius": zone.radius}


def _start() -> list[float] | None:
    """Return roughly where the drivers are, for a map without zones: to 0.1 degrees, 11 km."""
    places = DriverLocation.objects.order_by("-received_at").values_list("latitude", "longitude")
    place = places.first()
    return [round(degrees, 1) for degrees in place] if place else None
