"""The statuses of drivers that events have told."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tracking.status import Status


class AnnouncedStatus(models.Model):
    """The status of a driver that the last event `driver.status_changed` told.

    A driver without a row counts as offline. Written only by `tracking.events.statuses`, and only
    while an endpoint of webhooks gets this type of event.
    """

    driver = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        verbose_name=_("driver"),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("announced status")
        verbose_name_plural = _("announced statuses")
        default_permissions = ()

    def __str__(self) -> str:
        return f"driver {self.driver_id}: {self.status}"
