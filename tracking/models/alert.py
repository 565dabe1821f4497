"""Alerts: what a dispatcher should look at on a driver's trip."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user


class AlertKind(models.TextChoices):
    """The conditions that are watched: see `tracking.alerts`."""

    SILENT = "silent", _("silent on a trip")
    LONG_STOP = "long_stop", _("long stop on the way")
    OFF_ROUTE = "off_route", _("off the route")


class DriverAlert(models.Model):
    """A condition of a driver on a trip, from `since` until `ended_at`; None while it lasts.

    Written by `tracking.alerts`. The place is the driver's at the time of the alert, in WGS 84
    degrees; null if it was unknown, or once it was erased. All times are aware UTC.
    """

    kind = models.CharField(_("kind"), max_length=10, choices=AlertKind.choices)
    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )
    trip = models.ForeignKey(
        "tracking.Trip", on_delete=models.CASCADE, related_name="alerts", verbose_name=_("trip")
    )
    since = models.DateTimeField(_("since"))
    latitude = models.FloatField(_("latitude"), null=True)
    longitude = models.FloatField(_("longitude"), null=True)
    # Of a driver off the route: the waypoint of the way, from 0, and the line of it that was left.
    waypoint = models.PositiveSmallIntegerField(null=True, editable=False)
    route = models.TextField(blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True)
    acknowledged_by: Any = by_user(_("acknowledged by"))
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        default_permissions = ("view", "change")
        indexes = [
            # Also for maintenance, which looks for old ones of all drivers in batches.
            models.Index(fields=["driver", "since"], name="tracking_alert_of_driver"),
            models.Index(fields=["ended_at"], name="tracking_alert_ended"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=AlertKind.values), name="tracking_alert_kind_valid"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("since")),
                name="tracking_alert_ends_after_since",
            ),
            models.CheckConstraint(
                condition=Q(latitude=None, longitude=None)
                | Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
                name="tracking_alert_place_valid",
            ),
            # Of several processes that notice a condition, one raises it.
            models.UniqueConstraint(
                fields=["driver", "trip", "kind"],
                condition=Q(ended_at=None),
                name="tracking_one_open_alert",
            ),
        ]

    def __str__(self) -> str:
        driver = gettext("driver %(id)s") % {"id": self.driver_id}
        return f"{self.get_kind_display()}: {driver}"
