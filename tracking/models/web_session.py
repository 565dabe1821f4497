"""Web sessions that have ended before their tokens expired."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class EndedWebSession(models.Model):
    """A web session whose user logged out, kept until its access tokens have expired."""

    claim = models.CharField(max_length=64, primary_key=True)
    ended_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("ended web session")
        verbose_name_plural = _("ended web sessions")

    def __str__(self) -> str:
        return self.claim[:8]
