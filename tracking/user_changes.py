"""Changes of users that Django tells of have their open sessions checked again."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Model

from tracking.revocation import recheck


def user_changed(
    sender: type[Model],
    instance: Model,
    using: str,
    *,
    created: bool = False,
    update_fields: Collection[str] | None = None,
    **kwargs: Any,
) -> None:
    """Receive `post_save` and `post_delete` of the user model."""
    # Every log-in saves its time.
    if not created and set(update_fields or ["all"]) != {"last_login"}:
        transaction.on_commit(partial(recheck, [instance.pk]), using=using)
