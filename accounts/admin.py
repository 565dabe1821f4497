"""Accounts in the admin. Only superusers grant rights, or staff could grant them to themselves."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import second_factor
from accounts.models import User
from tracking.people import search_lookups

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


def _is_superuser(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Django's user admin for users with an e-mail address and a role."""

    list_display = (
        "email",
        "name",
        "role",
        "is_active",
        "is_staff",
        "second_factor",
        "last_login",
        "date_joined",
    )
    list_filter = ("role", "is_active", "is_staff", "is_superuser", "groups")
    search_fields = search_lookups()
    ordering = ("email",)
    actions = ("reset_second_factor",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Personal info"), {"fields": ("name", "role")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "name", "role", "usable_password", "password1", "password2"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        apps = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        users: QuerySet[User] = super().get_queryset(request).annotate(has_app=Exists(apps))
        return users

    @admin.display(boolean=True, description=_("second factor"), ordering="has_app")
    def second_factor(self, user: User) -> bool | None:
        """Return True if the user has an app; None for users without one who are not staff."""
        has_app: bool = user.has_app  # type: ignore[attr-defined]  # annotated
        return has_app if has_app or second_factor.is_staff_account(user) else None

    def has_reset_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    @admin.action(description=_("Reset the second factor"), permissions=["reset"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Reset the second factor of the selected users, but not the request's user's own.

        It is for users who have lost their phone. Changing one's own takes a code.
        """
        count = 0
        for user in queryset:
            if user != request.user and second_factor.has_device(user):
                second_factor.reset(user)
                self.log_change(request, user, [{"changed": {"fields": ["second factor"]}}])
                count += 1
        text = ngettext(
            "%(count)d second factor was reset. Its owner sets up a new one at the next log-in.",
            "%(count)d second factors were reset. Their owners set up new ones at the next log-in.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # The password form asks here, too.
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    """Return True if the request's user may change `user`.

    Setting a password gives access to the account, so only superusers may change other staff.
    """
    if user is None or user.pk == request.user.pk or _is_superuser(request):
        return True
    return not (user.is_staff or user.is_superuser)


# Their pages show the secrets that other users' codes are computed from.
admin.site.unregister([TOTPDevice, StaticDevice])

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin):
    """Groups, which only superusers may change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _is_superuser(request)
