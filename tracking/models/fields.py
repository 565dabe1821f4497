"""Fields shared by several models."""

from typing import Any

from django.conf import settings
from django.db import models


def by_user(verbose_name: Any) -> Any:
    """Return a field for the acting user. The row outlives a deletion of the user."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=verbose_name,
    )
