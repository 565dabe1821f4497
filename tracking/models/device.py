"""Devices that report with a token of their own: phones whose apps cannot log in.

A token is a secret of 160 random bits, shown once and stored as its SHA-256 only: nothing that
is read from the database lets anybody report. It is found by that hash, so the time of the look-up
tells nothing about the tokens there are.
"""

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.settings import api_settings

# Says what it is, to people and to the filters of logs.
PREFIX: Final = "trk_"

# How exactly the last use is known. A write for every report would double their cost.
LAST_USE_RESOLUTION: Final = timedelta(minutes=1)


class DeviceManager(models.Manager["Device"]):
    def issue(self, driver: Any, label: str) -> "Device":
        """Return a new device of the user; its `token` is known now and never again."""
        device = Device(driver=driver, label=label)
        device.issue_token()
        device.save(force_insert=True)
        return device

    def authenticate(self, token: str) -> "Device | None":
        """Return the device with that token, unless revoked or its driver may not log in."""
        if not token.isascii():
            return None  # Lower case has more letters than ours, such as the sign of kelvin.
        found = self.filter(token_hash=_hash(token), revoked_at=None).select_related("driver")
        device = found.first()
        if device is None or not api_settings.USER_AUTHENTICATION_RULE(device.driver):
            return None
        return device


class Device(models.Model):
    """A driver's device, which may report that driver's location and nothing else."""

    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="tracking_devices",
        verbose_name=_("driver"),
    )
    label = models.CharField(
        _("label"), max_length=100, help_text=_("What you will know it by, such as “Mary's phone”.")
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    issued_at = models.DateTimeField(_("issued at"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)

    # The secret itself, on the instance that it was issued to, never in the database.
    token: str | None = None

    objects = DeviceManager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")

    def __str__(self) -> str:
        return self.label

    def issue_token(self) -> None:
        """Give the device, not yet saved, its token."""
        secret = base64.b32encode(secrets.token_bytes(20)).decode()
        self.token = f"{PREFIX}{secret.lower()}"
        self.token_hash = _hash(self.token)

    def note_use(self, at: datetime) -> None:
        """Keep that the device reported at that time, to the minute."""
        unknown = Q(last_used_at=None) | Q(last_used_at__lt=at - LAST_USE_RESOLUTION)
        Device.objects.filter(unknown, pk=self.pk).update(last_used_at=at)


def revoke(devices: "models.QuerySet[Device]") -> int:
    """Let those of the devices report no more, from their next report on; return how many did."""
    return devices.filter(revoked_at=None).update(revoked_at=timezone.now())


def _hash(token: str) -> str:
    # Typed by hand on a phone, which likes to begin with a capital and to end with a space.
    return hashlib.sha256(token.strip().lower().encode()).hexdigest()
