"""Tombstones: the erasures of drivers' histories, which later writes and backups obey."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user, of_driver


class HistoryErasure(models.Model):
    """All fixes of a driver recorded before `before` were erased at `erased_at`, and stay erased.

    It outlives the driver's account: it holds an id, and nothing about the person.
    """

    driver = of_driver()
    before = models.DateTimeField(_("recorded before"))
    erased_at = models.DateTimeField(_("erased at"))
    erased_by = by_user(_("erased by"))

    class Meta:
        verbose_name = _("erasure of the history")
        verbose_name_plural = _("erasures of the history")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["driver", "before"], name="tracking_erasure_driver")]

    def __str__(self) -> str:
        names = {"driver": self.driver_id, "time": self.before}
        return gettext("driver %(driver)s before %(time)s") % names
