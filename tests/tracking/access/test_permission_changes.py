"""Rechecks of open sessions when permissions and groups are granted or revoked."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission
from django.db import models, transaction
from django.db.models.signals import m2m_changed, pre_delete
from django.test.utils import isolate_apps

from tracking.access import permission_changes

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def permission(transactional_db):
    return Permission.objects.get(codename="view_driverlocation")


@pytest.fixture
def user(permission):
    """Return a user with the permission, in a group that also has it."""
    user = User.objects.create_user(email="staff@example.com", is_staff=True)
    group = Group.objects.create(name="dispatch")
    group.permissions.add(permission)
    user.groups.add(group)
    user.user_permissions.add(permission)
    User.objects.create_user(email="jonh@gmail.com")
    return user


@pytest.fixture
def rechecked(user, monkeypatch):
    """Return the log of rechecks: the user ids of each call."""
    calls = []
    monkeypatch.setattr(permission_changes, "recheck", calls.append)
    return calls


CHANGES = {
    "permission taken": lambda user, group, one: user.user_permissions.remove(one),
    "permissions cleared": lambda user, group, one: user.user_permissions.clear(),
    "permissions set": lambda user, group, one: user.user_permissions.set([]),
    "taken from the user": lambda user, group, one: one.user_set.remove(user),
    "taken from all users": lambda user, group, one: one.user_set.clear(),
    "left the group": lambda user, group, one: user.groups.remove(group),
    "left all groups": lambda user, group, one: user.groups.clear(),
    "removed by the group": lambda user, group, one: group.user_set.remove(user),
    "group emptied": lambda user, group, one: group.user_set.clear(),
    "taken from the group": lambda user, group, one: group.permissions.remove(one),
    "group's cleared": lambda user, group, one: group.permissions.clear(),
    "taken from that group": lambda user, group, one: one.group_set.remove(group),
    "taken from all groups": lambda user, group, one: one.group_set.clear(),
    "group deleted": lambda user, group, one: group.delete(),
    "groups deleted": lambda user, group, one: Group.objects.all().delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_user_who_loses_a_permission_is_checked_after_the_commit(
    user, permission, rechecked, change
):
    with transaction.atomic():
        change(user, user.groups.get(), permission)
        assert rechecked == []
    assert rechecked == [[user.pk]]


def test_change_of_a_group_without_users_checks_nobody(rechecked, permission):
    group = Group.objects.create(name="nobody's")
    group.permissions.add(permission)
    group.delete()
    assert rechecked == []


@isolate_apps("accounts")
def test_user_model_without_permissions_is_left_alone(monkeypatch):
    class Plain(AbstractBaseUser):
        groups = models.CharField(max_length=10)  # not the project's user model

        class Meta:
            app_label = "accounts"

    monkeypatch.setattr(permission_changes, "get_user_model", lambda: Plain)
    for signal in (m2m_changed, pre_delete):
        monkeypatch.setattr(signal, "connect", lambda receiver, sender: pytest.fail(str(sender)))
    permission_changes.connect()
