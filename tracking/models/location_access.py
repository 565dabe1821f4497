"""The audit trail of access to locations."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user


class LocationAccess(models.Model):
    """Access of a viewer to a driver's location; without a driver, to all drivers' locations.

    Written by `tracking.access_log`: a row covers ten minutes from `at`, aware UTC. A look at the
    history has a row of its own, with the window that was asked for, and the purpose if the viewer
    gave one. The row outlives a deletion of the viewer, and is deleted with the driver.
    """

    class Way(models.TextChoices):
        STREAM = "stream", _("live map of one driver")
        FLEET = "fleet", _("live map of the fleet")
        REST = "rest", _("one driver over REST")
        LIST = "list", _("list over REST")
        SEARCH = "search", _("search")
        ADMIN = "admin", _("admin")
        TRACK = "track", _("track of one driver")
        PAST = "past", _("all drivers at a past moment")
        EXPORT = "export", _("export")
        SHARE = "share", _("live page of a shared trip")

    at = models.DateTimeField(_("from"))
    way = models.CharField(_("way"), max_length=10, choices=Way)
    viewer = by_user(_("viewer"))
    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )
    since = models.DateTimeField(_("track from"), null=True)
    until = models.DateTimeField(_("track until"), null=True)
    purpose = models.CharField(_("purpose"), max_length=200, blank=True, db_default="")

    class Meta:
        verbose_name = _("look at a location")
        verbose_name_plural = _("looks at locations")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["at"], name="tracking_access_at"),
            models.Index(fields=["viewer", "at"], name="tracking_access_viewer"),
            models.Index(fields=["driver", "at"], name="tracking_access_driver"),
        ]

    def __str__(self) -> str:
        names = {"viewer": self.viewer_id, "driver": self.driver_id or gettext("all drivers")}
        return gettext("%(viewer)s at %(driver)s") % names
