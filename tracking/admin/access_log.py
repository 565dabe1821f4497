"""The audit trail in the admin. Rows can't be added, changed or deleted."""

from typing import ClassVar, Final

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.admin.cells import minute_cell
from tracking.admin.read_only import ReadOnlyAdmin
from tracking.lookups import any_case
from tracking.models import LocationAccess
from tracking.people import identity, search_lookups

# Characters of a purpose in the list. The whole text is in the tooltip.
MAX_SHOWN: Final = 60


@admin.register(LocationAccess)
class LocationAccessAdmin(ReadOnlyAdmin):
    list_display = ("time", "viewer_identity", "driver_identity", "way", "window", "cut_purpose")
    list_display_links = None
    list_filter = ("way", "at")
    list_select_related = ("viewer", "driver")
    search_fields = (*search_lookups("viewer", "driver"), any_case("purpose"))
    search_help_text = gettext_lazy("Search by viewer, driver or purpose")
    ordering = ("-at", "-pk")
    # Counting all rows of a large table takes PostgreSQL seconds.
    show_full_result_count = False

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

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

    @admin.display(description=gettext_lazy("part of the history"), ordering="since")
    def window(self, access: LocationAccess) -> str:
        """Return the times that a look at the history was about; one for a moment."""
        times = dict.fromkeys(at for at in (access.since, access.until) if at is not None)
        return format_html_join(" – ", "{}", ((minute_cell(at),) for at in times)) or "–"

    @admin.display(description=gettext_lazy("purpose"))
    def cut_purpose(self, access: LocationAccess) -> str:
        cut = Truncator(access.purpose).chars(MAX_SHOWN)
        if cut == access.purpose:
            return cut or "–"
        return format_html('<span title="{}">{}</span>', access.purpose, cut)
