"""An admin of rows that the server alone writes."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Nobody adds, changes or deletes a row in these pages."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Not in these pages. But a user who is deleted takes the rows along, and the user's page
        # asks here first: a plain False would make drivers undeletable.
        page = (request.resolver_match and request.resolver_match.url_name) or ""
        if page.startswith(f"{self.opts.app_label}_{self.opts.model_name}_"):
            return False
        has_permission = "delete" in self.opts.default_permissions
        return super().has_delete_permission(request, obj) if has_permission else True
