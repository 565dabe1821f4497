"""Times of arrival of trips, and the drives of finished trips as matched to streets."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class TripEta(models.Model):
    """When a trip's driver arrives at the next waypoint, as computed last, and the way there.

    Written only by `tracking.eta`, deleted when the trip ends or gets another driver. `waypoint` is
    the number of the waypoint, from 0. `distance` is in metres. With the confidence "high" a
    routing engine has computed it, with "low" it is the straight line times a factor. `route` is
    the way as a polyline of 6 decimals, empty without one. `announced_at` is the arrival that the
    last event `trip.eta_changed` told.
    """

    class Confidence(models.TextChoices):
        HIGH = "high", _("high")
        LOW = "low", _("low")

    trip = models.OneToOneField(
        "tracking.Trip", on_delete=models.CASCADE, primary_key=True, related_name="eta"
    )
    driver: Any = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("driver"),
    )
    waypoint = models.PositiveSmallIntegerField(_("waypoint"))
    arrives_at = models.DateTimeField(_("arrives at"))
    distance = models.FloatField(_("distance"))
    confidence = models.CharField(_("confidence"), max_length=4, choices=Confidence.choices)
    computed_at = models.DateTimeField(_("computed at"))
    route = models.TextField(_("route"), blank=True)
    announced_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("time of arrival")
        verbose_name_plural = _("times of arrival")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(confidence__in=["high", "low"]), name="tracking_eta_confidence_valid"
            ),
        ]

    def __str__(self) -> str:
        return f"trip {self.trip_id}: waypoint {self.waypoint}"


class TripMatch(models.Model):
    """The drive of a finished trip on the streets, as a routing engine matched it.

    `distance` is in metres, `line` a polyline of 6 decimals for each part, one per line of text.
    Both are empty if the track could not be matched. The raw fixes stay in the history.

    Written only by `tracking.matching`, and deleted with the fixes that it was made of. The row is
    made before the track is read, and whoever finds its own `claimed_at` in it at the end fills it
    in: so of two processes one does, and nothing is stored of a track that was erased meanwhile.
    Until then `matched_at` is empty.
    """

    trip = models.OneToOneField(
        "tracking.Trip", on_delete=models.CASCADE, primary_key=True, related_name="match"
    )
    claimed_at = models.DateTimeField(editable=False)
    matched_at = models.DateTimeField(_("matched at"), null=True)
    distance = models.FloatField(_("distance"), null=True)
    line = models.TextField(_("line"), blank=True)

    class Meta:
        verbose_name = _("matched drive")
        verbose_name_plural = _("matched drives")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"trip {self.trip_id}"
