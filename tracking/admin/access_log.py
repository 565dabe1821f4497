"""The audit trail in the admin. Rows can't be added, changed or deleted."""

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.read_only import ReadOnlyAdmin
from tracking.models import LocationAccess
from tracking.people import identity, search_lookups


@admin.register(LocationAccess)
class LocationAccessAdmin(ReadOnlyAdmin):
    list_display = ("time", "viewer_identity", "driver_identity", "way")
    list_display_links = None
    list_filter = ("way", "at")
    list_select_related = ("viewer", "driver")
    search_fields = search_lookups("viewer", "driver")
    search_help_text = gettext_lazy("Search by viewer or driver")
    ordering = ("-at", "-pk")
    # Counting all rows of a large table takes PostgreSQL seconds.
    show_full_result_count = False

    @admin.display(description=gettext_lazy("from"), ordering="at")
    def time(self, access: LocationAccess) -> str:
        return f"{timezone.localtime(access.at):%Y-%m-%d %H:%M:%S %Z}"

    @admin.display(description=gettext_lazy("viewer"))
    def viewer_identity(self, access: LocationAccess) -> str:
        return identity(access.viewer) if access.viewer else f"#{access.viewer_id}"

    @admin.display(description=gettext_lazy("driver"))
    def driver_identity(self, access: LocationAccess) -> str:
        if access.driver_id is None:
            return _("All drivers")
        return identity(access.driver) if access.driver else f"#{access.driver_id}"
