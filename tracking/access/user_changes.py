"""Receivers that check a user's open sessions again when Django signals a change of the user."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from tracking.revocation import recheck


def connect(model: type[Model]) -> None:
    """Receive changes made through `model`: the user model, or one that inherits from it."""
    post_save.connect(user_changed, sender=model)
    post_delete.connect(user_changed, sender=model)


def user_changed(
    sender: type[Model],
    instance: Model,
    using: str,
    *,
    created: bool = False,
    update_fields: Collection[str] | None = None,
    **kwargs: Any,
) -> None:
    """Receive `post_save` and `post_delete` of the user model and of those that inherit from it."""
    # Each log-in saves `last_login`, which changes no permission.
    if not created and set(update_fields or ["all"]) != {"last_login"}:
        user_id = instance.serializable_value(get_user_model()._meta.pk.attname)
        transaction.on_commit(partial(recheck, [user_id]), using=using)
