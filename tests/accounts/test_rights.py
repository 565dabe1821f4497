"""Staff who may change users cannot give themselves or others more rights."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db

RIGHTS = {"is_staff": "on", "is_superuser": "on"}


@pytest.fixture
def helper(client):
    """Staff with every permission on users and groups, but no superuser."""
    user = User.objects.create_user(
        "helper@example.com", "a long password", name="Helper", is_staff=True
    )
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=["user", "group"]))
    client.force_login(user)
    return user


def change_page(user):
    return reverse("admin:accounts_user_change", args=[user.pk])


def form(user, **changes):
    fields = {"email": user.email, "name": user.name, "role": user.role, "is_active": "on"}
    return fields | changes


def rights(user):
    user = User.objects.get(pk=user.pk)
    return (
        user.is_staff,
        user.is_superuser,
        list(user.groups.all()),
        user.user_permissions.count(),
    )


def test_staff_cannot_make_itself_a_superuser(client, helper):
    before = rights(helper)
    group = Group.objects.create(name="Everything")
    permissions = list(Permission.objects.values_list("pk", flat=True))
    fields = RIGHTS | {"groups": [group.pk], "user_permissions": permissions}
    client.post(change_page(helper), form(helper, name="Renamed", **fields))
    assert User.objects.get(pk=helper.pk).name == "Renamed"
    assert rights(helper) == before


def test_staff_cannot_give_others_rights(client, helper):
    rider = User.objects.create_user("rider@example.com", name="Rider")
    client.post(change_page(rider), form(rider, name="Renamed", **RIGHTS))
    assert User.objects.get(pk=rider.pk).name == "Renamed"
    assert rights(rider) == (False, False, [], 0)


@pytest.mark.parametrize("colleague", [{"is_superuser": True}, {"is_staff": True}], ids=str)
def test_staff_cannot_take_over_accounts_with_rights(client, helper, colleague):
    other = User.objects.create_user("other@example.com", "their password", **colleague)
    password = reverse("admin:auth_user_password_change", args=[other.pk])
    new = {"password1": "another password", "password2": "another password"}
    selected = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    assert client.post(change_page(other), form(other, email="mine@example.com")).status_code == 403
    assert client.post(password, new).status_code == 403
    delete = reverse("admin:accounts_user_delete", args=[other.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(reverse("admin:accounts_user_changelist"), selected)
    kept = User.objects.get(pk=other.pk)
    assert kept.email == "other@example.com"
    assert kept.check_password("their password")


def test_staff_cannot_change_the_permissions_of_groups(client, helper):
    group = Group.objects.create(name="Helpers")
    helper.groups.add(group)
    permissions = list(Permission.objects.values_list("pk", flat=True))
    page = reverse("admin:auth_group_change", args=[group.pk])
    fields = {"name": "Helpers", "permissions": permissions}
    assert client.post(page, fields).status_code == 403
    assert client.post(reverse("admin:auth_group_add"), fields | {"name": "x"}).status_code == 403
    assert not group.permissions.exists()


def test_superusers_can_grant_rights(client):
    client.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    rider = User.objects.create_user("rider@example.com", name="Rider")
    client.post(change_page(rider), form(rider, is_staff="on"))
    assert rights(rider)[:2] == (True, False)
    group = Group.objects.create(name="Helpers")
    page = reverse("admin:auth_group_change", args=[group.pk])
    permission = Permission.objects.first()
    client.post(page, {"name": "Helpers", "permissions": [permission.pk]})
    assert group.permissions.get() == permission
