"""Fields shared by several models."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext_lazy as _


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


def of_driver() -> Any:
    """Return a field for the driver of a row of the history.

    Without a constraint, so that the deletion of a user neither waits for a cascade over millions
    of rows nor fails because of them: `tracking.history.erasure` deletes them.
    """
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )


class RealField(models.FloatField):  # type: ignore[type-arg]  # generic in the stubs only
    """A float of 4 bytes on PostgreSQL, which keeps at least six digits."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor == "postgresql":
            return "real"
        return super().db_type(connection)
