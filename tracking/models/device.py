"""Devices that report with a token of their own, for phone apps that cannot log in.

A token is a secret of 160 random bits. It is shown once and only its SHA-256 is stored, so a copy
of the database contains no token. It is looked up by that hash, so the time of the look-up reveals
nothing about existing tokens.
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

from tracking.log_in import may_log_in

# Makes tokens recognizable, to people and to log filters.
PREFIX: Final = "trk_"

# The last use is stored at most this often. A write for every report would double its cost.
LAST_USE_RESOLUTION: Final = timedelta(minutes=1)


class DeviceManager(models.Manager["Device"]):
    def issue(self, driver: Any, label: str) -> "Device":
        """Store and return a new device of the driver. Only this instance has its `token`."""
        device = Device(driver=driver, label=label)
        device.issue_token()
        device.save(force_insert=True)
        return device

    def authenticate(self, token: str) -> "Device | None":
        """Return the device with that token; None if it is revoked or its driver may not log in."""
        if not token.isascii():
            return None  # `lower()` turns some others into ASCII letters, such as the Kelvin sign.
        found = self.filter(token_hash=_hash(token), revoked_at=None).select_related("driver")
        device = found.first()
        if device is None or not may_log_in(device.driver):
            return None
        return device


class Device(models.Model):
    """A driver's device. Its token permits reporting that driver's location and nothing else."""

    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="tracking_devices",
        verbose_name=_("driver"),
    )
    label = models.CharField(
        _("label"), max_length=100, help_text=_("A name for the phone, such as “Mary's phone”.")
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    issued_at = models.DateTimeField(_("issued at"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)

    # The secret itself, only on the instance that issued it, never in the database.
    token: str | None = None

    objects = DeviceManager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")

    def __str__(self) -> str:
        return self.label

    def issue_token(self) -> None:
        """Set a new token on the device, which must be saved afterwards."""
        secret = base64.b32encode(secrets.token_bytes(20)).decode()
        self.token = f"{PREFIX}{secret.lower()}"
        self.token_hash = _hash(self.token)

    def note_use(self, at: datetime) -> None:
        """Store the time of the device's last report, at most once a minute."""
        unknown = Q(last_used_at=None) | Q(last_used_at__lt=at - LAST_USE_RESOLUTION)
        Device.objects.filter(unknown, pk=self.pk).update(last_used_at=at)


def revoke(devices: "models.QuerySet[Device]") -> int:
    """Revoke the devices, from their next report on. Return the number not revoked before."""
    return devices.filter(revoked_at=None).update(revoked_at=timezone.now())


def _hash(token: str) -> str:
    # Phone keyboards capitalize the first letter and append a space.
    return hashlib.sha256(token.strip().lower().encode()).hexdigest()
