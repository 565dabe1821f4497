"""Receivers that check users' open sessions again when their permissions or groups change."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed, pre_delete

from tracking.revocation import recheck


def connect() -> None:
    """Connect the receivers, as far as the user model has Django's permissions and groups."""
    if (permissions := _between_users_and(Permission, "user_permissions")) is not None:
        m2m_changed.connect(user_permissions_changed, sender=permissions)
    if (memberships := _between_users_and(Group, "groups")) is not None:
        m2m_changed.connect(user_groups_changed, sender=memberships)
        m2m_changed.connect(group_permissions_changed, sender=Group.permissions.through)
        pre_delete.connect(group_deleted, sender=Group)


def user_permissions_changed(instance: Model, using: str, **change: Any) -> None:
    """Receive `m2m_changed` between users and permissions."""
    _recheck(
        _changed(instance, _users(using).filter(user_permissions=instance.pk), **change), using
    )


def user_groups_changed(instance: Model, using: str, **change: Any) -> None:
    """Receive `m2m_changed` between users and groups."""
    _recheck(_changed(instance, _users(using).filter(groups=instance.pk), **change), using)


def group_permissions_changed(instance: Model, using: str, **change: Any) -> None:
    """Receive `m2m_changed` between groups and permissions."""
    groups = Group.objects.using(using).filter(permissions=instance.pk)
    if changed := list(_changed(instance, groups, **change)):
        _recheck(_users(using).filter(groups__in=changed), using)


def group_deleted(instance: Model, using: str, **kwargs: Any) -> None:
    """Receive `pre_delete` of a group, as its members are unknown afterwards."""
    _recheck(_users(using).filter(groups=instance.pk), using)


def _between_users_and(model: type[Model], name: str) -> type[Model] | None:
    """Return the model between users and `model`, if the user model has such a field `name`."""
    users = get_user_model()
    try:
        field = users._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    if not field.many_to_many or field.related_model is not model:
        return None
    through: type[Model] = getattr(users, name).through
    return through


def _users(using: str) -> QuerySet[Any]:
    return get_user_model()._base_manager.using(using)


def _changed(
    instance: Model,
    all_of_instance: QuerySet[Any],
    *,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    **kwargs: Any,
) -> Iterable[Any]:
    """Return the keys of the rows on the users' side (or the groups') that a change affects.

    That is `instance` itself, or if `reverse`, the rows that it was added to or removed from. For a
    clear these are read before it, inside its transaction.
    """
    if action not in ("post_add", "post_remove", "pre_clear"):
        return ()
    if not reverse:
        return (instance.pk,)
    return all_of_instance.values_list("pk", flat=True) if pk_set is None else pk_set


def _recheck(users: Iterable[Any], using: str) -> None:
    if isinstance(users, QuerySet):
        users = users.values_list("pk", flat=True)
    if user_ids := sorted(set(users)):
        transaction.on_commit(partial(recheck, user_ids), using=using)
