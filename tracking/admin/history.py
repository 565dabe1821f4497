"""The history on the pages of last known locations: a link to the day, erasure and export."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.day_page import day_query, day_url, show_day
from tracking.admin.erasure import erase_drivers
from tracking.admin.export import export_driver
from tracking.models import DriverLocation
from tracking.people import USER_IDS, full_name


class HistoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """A mixin for the admin of `DriverLocation`: the history of each row's driver."""

    actions = ("erase_history", "export_history")

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<path:object_id>/day/",
            self.admin_site.admin_view(self.day_view),
            name="tracking_driverlocation_day",
        )
        urls: list[URLPattern] = super().get_urls()
        return [page, *urls]  # before the view of any other path

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        if not self.has_view_history_permission(request):
            return columns
        # In the first columns: on a small screen, the others are out of sight.
        return (*columns[:1], "day_link", *columns[1:])

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        return (*fields, "day_link") if self.has_view_history_permission(request) else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "day_link")

    @admin.display(description=gettext_lazy("history"))
    def day_link(self, location: DriverLocation) -> SafeString:
        query = day_query(location.recorded_at)
        return format_html(
            '<a href="{}" aria-label="{}">{}</a>',
            day_url(self.admin_site.name, location.pk, query),
            _("Show the day of %(driver)s") % {"driver": full_name(location.driver)},
            _("Day"),
        )

    def day_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the day of a driver, who need not have a last known location."""
        if not self.has_view_history_permission(request):
            raise PermissionDenied
        driver_id = USER_IDS.parse(unquote(object_id))
        users = get_user_model()._default_manager
        driver = users.filter(pk=driver_id).first() if driver_id is not None else None  # type: ignore[misc]  # the demo's ids are integers
        if driver is None:
            raise Http404(_("There is no such driver."))
        times = DriverLocation.objects.filter(pk=driver.pk).values_list("recorded_at", flat=True)
        return show_day(self, request, driver, times.first())

    @admin.action(
        description=gettext_lazy("Erase history of selected drivers"),
        permissions=["delete_history"],
    )
    def erase_history(
        self, request: HttpRequest, queryset: QuerySet[DriverLocation]
    ) -> HttpResponse | None:
        return erase_drivers(self, request, queryset)

    @admin.action(
        description=gettext_lazy("Export everything about the selected driver"),
        permissions=["export_history"],
    )
    def export_history(
        self, request: HttpRequest, queryset: QuerySet[DriverLocation]
    ) -> HttpResponseBase | None:
        return export_driver(self, request, queryset)

    def has_view_history_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracking.view_historyfix")

    def has_export_history_permission(self, request: HttpRequest) -> bool:
        # An export has a part of the audit trail.
        return self.has_view_history_permission(request) and request.user.has_perm(
            "tracking.view_locationaccess"
        )

    def has_delete_history_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracking.delete_historyfix")
