"""The last known locations: each driver's newest stored fix."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class DriverLocation(models.Model):
    """A driver's newest stored fix: WGS 84 degrees, metres, metres per second, aware UTC.

    Written only by `tracking.pipeline.rows`, which never lets an older fix replace a newer one.
    """

    driver = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="driver_location",
        verbose_name=_("driver"),
    )
    latitude = models.FloatField(_("latitude"))
    longitude = models.FloatField(_("longitude"))
    accuracy = models.FloatField(_("accuracy (m)"), null=True, blank=True)
    heading = models.FloatField(_("heading (° from true north)"), null=True, blank=True)
    speed = models.FloatField(_("speed (m/s)"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"), help_text=_("When the device measured."))
    received_at = models.DateTimeField(_("received at"), help_text=_("The server's clock."))
    disconnected_at = models.DateTimeField(
        _("disconnected at"),
        null=True,
        blank=True,
        help_text=_("When the driver's connection ended, unless another took its place."),
    )
    heard_at = models.DateTimeField(
        _("heard at"),
        null=True,
        blank=True,
        help_text=_("When the phone last sent anything, if later than its location."),
    )
    clock_offset = models.FloatField(
        _("clock offset (s)"),
        null=True,
        blank=True,
        help_text=_(
            "The seconds by which the device's clock is behind, and was corrected; negative if it "
            "is ahead, empty if it is right."
        ),
    )

    class Meta:
        verbose_name = _("last known location")
        verbose_name_plural = _("last known locations")
        constraints = [
            models.CheckConstraint(
                condition=Q(latitude__range=(-90, 90)), name="tracking_latitude_range"
            ),
            models.CheckConstraint(
                condition=Q(longitude__range=(-180, 180)), name="tracking_longitude_range"
            ),
            models.CheckConstraint(condition=Q(accuracy__gt=0), name="tracking_accuracy_positive"),
            models.CheckConstraint(
                condition=Q(heading__gte=0) & Q(heading__lt=360), name="tracking_heading_range"
            ),
            models.CheckConstraint(condition=Q(speed__gte=0), name="tracking_speed_not_negative"),
            models.CheckConstraint(
                condition=Q(recorded_at__lte=F("received_at")),
                name="tracking_recorded_before_received",
            ),
        ]

    def __str__(self) -> str:
        return gettext("driver %(id)s") % {"id": self.driver_id}

    @property
    def heard(self) -> datetime:
        """The time when the phone last sent anything."""
        return self.heard_at or self.received_at
