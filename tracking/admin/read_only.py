"""The base of admin pages for rows that only the server writes."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """An admin without pages to add, change or delete rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Refuse on these pages only. Deleting a user deletes the user's rows and asks for this
        # permission too: always refusing would make drivers undeletable.
        page = (request.resolver_match and request.resolver_match.url_name) or ""
        if page.startswith(f"{self.opts.app_label}_{self.opts.model_name}_"):
            return False
        has_permission = "delete" in self.opts.default_permissions
        return super().has_delete_permission(request, obj) if has_permission else True
