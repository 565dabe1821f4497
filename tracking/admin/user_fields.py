"""Fields for users, which are searched if the project's admin can search users."""

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest


class UserFieldsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """An admin whose `raw_id_fields`, all for users, have autocompletion where it is possible."""

    raw_id_fields: ClassVar[tuple[str, ...]]

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        # The attribute `autocomplete_fields` would be an error in a project without a user admin.
        users = self.admin_site._registry.get(get_user_model())
        return self.raw_id_fields if users and users.search_fields else ()
