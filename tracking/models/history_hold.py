"""Holds: parts of the history that are kept beyond HISTORY_DAYS, for a dispute."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user, of_driver


class HistoryHold(models.Model):
    """A driver's fixes recorded from `since` to `until`, exclusively, are kept until released.

    `reference` names the dispute or the trip in the host project.
    """

    reference = models.CharField(_("reference"), max_length=200, db_index=True)
    driver = of_driver()
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    held_by = by_user(_("held by"))
    held_at = models.DateTimeField(_("held at"))
    released_at = models.DateTimeField(_("released at"), null=True)

    class Meta:
        verbose_name = _("hold on the history")
        verbose_name_plural = _("holds on the history")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(since__lt=F("until")), name="tracking_hold_since_before_until"
            ),
        ]

    def __str__(self) -> str:
        return self.reference
