"""Devices in the admin: issue tokens, see when they were last used, and revoke them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy, ngettext

from tracking.admin.cells import status_cell
from tracking.admin.forms import DriverForm
from tracking.admin.user_fields import UserFieldsAdmin
from tracking.lookups import any_case
from tracking.models.device import Device, revoke
from tracking.people import SEARCH_FIELDS, identity, search_lookups


class RevokedFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("valid", gettext_lazy("valid")), ("revoked", gettext_lazy("revoked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        if self.value() in ("valid", "revoked"):
            return queryset.filter(revoked_at__isnull=self.value() == "valid")
        return queryset


@admin.register(Device)
class DeviceAdmin(UserFieldsAdmin):
    """Devices, which can be added and revoked but not changed: each phone has its own token."""

    form = DriverForm
    list_display = ("label", "state", "driver_identity", "last_used_at", "issued_at")
    list_filter = (RevokedFilter,)
    list_select_related = ("driver",)
    search_fields = (any_case("label"), *search_lookups("driver"))
    ordering = ("-pk",)
    fields = ("driver", "label")
    actions = ("revoke_selected",)
    raw_id_fields = ("driver",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["tracking/admin.css"]}

    @admin.display(description=gettext_lazy("state"), ordering="revoked_at")
    def state(self, device: Device) -> str:
        if device.revoked_at:
            return status_cell("offline", gettext_lazy("revoked"))
        return status_cell("live", gettext_lazy("valid"))

    @admin.display(description=gettext_lazy("driver"), ordering=f"driver__{SEARCH_FIELDS[-1]}")
    def driver_identity(self, device: Device) -> str:
        return identity(device.driver)

    @admin.action(description=gettext_lazy("Revoke selected devices"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        count = revoke(queryset)
        self.message_user(
            request,
            ngettext("%(count)d device revoked.", "%(count)d devices revoked.", count)
            % {"count": count},
        )

    def get_fields(self, request: HttpRequest, obj: Device | None = None) -> tuple[str, ...]:
        if obj is None:
            return self.fields
        return (*self.fields, "state", "issued_at", "last_used_at", "revoked_at")

    def has_change_permission(self, request: HttpRequest, obj: Device | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracking.change_device")

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.issue_token()
        obj.save(force_insert=True)

    def response_add(
        self, request: HttpRequest, obj: Device, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, once only. A message or a redirect would have to store it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext_lazy("Device added"),
            "device": obj,
            # The origin of the URLs shown, without a trailing slash.
            "site": request.build_absolute_uri("/").rstrip("/"),
        }
        template = "admin/tracking/device/issued.html"
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)
