"""The processes that serve connections."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """A running process that serves connections.

    Written by `tracking.runtime.heartbeat`, and deleted half a minute after its last heartbeat.
    """

    id = models.CharField(max_length=32, primary_key=True)
    name = models.CharField(max_length=320, help_text=_("The host and the process, for people."))
    sent = models.PositiveBigIntegerField(help_text=_("Heartbeats that the channel layer took."))
    seen_at = models.DateTimeField(help_text=_("By the database's clock."))

    class Meta:
        default_permissions = ()
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name
