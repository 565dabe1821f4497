"""Share links: a trip's live page for whoever has the link."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class TripShareQuerySet(models.QuerySet["TripShare"]):
    """Share links, filtered by their state at a time."""

    def live(self, at: datetime) -> "TripShareQuerySet":
        """Return the links that show their trip at the time `at`, as far as their rows say it."""
        return self.filter(ended_at=None, expires_at__gt=at, trip__ended_at=None)


class TripShare(models.Model):
    """A link that shows a trip to whoever has it, from `created_at` until before `expires_at`.

    Written only by `tracking.shares`. Of the link's secret only the SHA-256 is stored, so a copy of
    the database contains no link. `ended_at` is when it was revoked or the trip ended, which is
    final. `opened_at` is when a browser first opened the stream. All times are aware UTC.
    """

    trip = models.ForeignKey(
        "tracking.Trip", on_delete=models.CASCADE, related_name="shares", verbose_name=_("trip")
    )
    # The link ends with the account that it acts for.
    created_by: Any = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("shared by"),
    )
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("shared at"))
    expires_at = models.DateTimeField(_("expires at"))
    ended_at = models.DateTimeField(_("ended at"), null=True)
    opened_at = models.DateTimeField(_("first opened at"), null=True)
    last_opened_at = models.DateTimeField(_("last opened at"), null=True)

    objects = TripShareQuerySet.as_manager()

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")),
                name="tracking_share_expires_after_start",
            ),
            models.CheckConstraint(
                condition=Q(opened_at=None, last_opened_at=None)
                | Q(opened_at__isnull=False, last_opened_at__gte=F("opened_at")),
                name="tracking_share_opened_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"link {self.pk} to trip {self.trip_id}"
