"""Trips: what tracking needs to know of the trips of the host project."""

from typing import Any, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user


class TripStatus(models.TextChoices):
    """The statuses of a trip, in order, with the names of Google's Fleet Engine."""

    NEW = "new", _("new")
    ENROUTE_TO_PICKUP = "enroute_to_pickup", _("on the way to the pickup")
    ARRIVED_AT_PICKUP = "arrived_at_pickup", _("at the pickup")
    ENROUTE_TO_STOP = "enroute_to_intermediate_destination", _("on the way to a stop")
    ARRIVED_AT_STOP = "arrived_at_intermediate_destination", _("at a stop")
    ENROUTE_TO_DROPOFF = "enroute_to_dropoff", _("on the way to the destination")
    COMPLETE = "complete", _("complete")
    CANCELED = "canceled", _("canceled")


# A trip in one of these has ended, for good.
FINAL: Final = (TripStatus.COMPLETE, TripStatus.CANCELED)


class Trip(models.Model):
    """A trip: its riders, its driver if it has one yet, its waypoints and its status.

    Written only by `tracking.trips`. `reference` is the trip in the host's own words. `waypoints`
    are in the order of the drive: `{"kind": "pickup" | "stop" | "dropoff", "lat": …, "lon": …,
    "name": … | null}` in WGS 84 degrees. `version` grows with each change. From `ended_at` on
    nobody follows the trip; `ends_at` is the latest time for that. All times are aware UTC.
    """

    reference = models.CharField(
        _("reference"),
        max_length=100,
        blank=True,
        db_index=True,
        help_text=_("The trip, in your own words."),
    )
    status = models.CharField(
        _("status"), max_length=40, choices=TripStatus.choices, default=TripStatus.NEW
    )
    riders: Any = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="tracking_trips", verbose_name=_("riders")
    )
    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("driver"),
    )
    vehicle = models.CharField(
        _("vehicle"), max_length=200, blank=True, help_text=_("For riders: “white Prius, AB 123”.")
    )
    waypoints = models.JSONField(_("waypoints"), default=list)
    # When the waypoints were deleted because they had expired, or with the account of the rider.
    waypoints_deleted_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"))
    # When the driver it has now was assigned.
    assigned_at = models.DateTimeField(_("assigned at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    ends_at = models.DateTimeField(_("ends at the latest"), null=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    # The number of its events, which number them. Counted while the row is locked.
    event_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    created_by: Any = by_user(_("created by"))

    class Meta:
        verbose_name = _("trip")
        verbose_name_plural = _("trips")
        default_permissions = ("view", "add", "change")
        indexes = [
            # Maintenance looks for waypoints that have expired: nearly all trips have none.
            models.Index(
                fields=["ended_at"],
                condition=Q(ended_at__isnull=False, waypoints_deleted_at=None),
                name="tracking_trip_with_waypoints",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=TripStatus.values), name="tracking_trip_status_valid"
            ),
            models.CheckConstraint(
                condition=Q(status__in=FINAL, ended_at__isnull=False)
                | (~Q(status__in=FINAL) & Q(ended_at=None)),
                name="tracking_trip_ended_if_final",
            ),
            # Of two dispatchers who assign one driver, one fails, whatever the code does.
            models.UniqueConstraint(
                fields=["driver"], condition=Q(ended_at=None), name="tracking_one_trip_per_driver"
            ),
        ]

    def __str__(self) -> str:
        return self.reference or f"#{self.pk}"

    @property
    def is_over(self) -> bool:
        """True once it is complete or canceled."""
        return self.status in FINAL


class TripAssignment(models.Model):
    """The time in which a driver had a trip, `until` exclusively; None while it has it."""

    trip = models.ForeignKey(Trip, on_delete=models.CASCADE, related_name="assignments")
    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"), null=True)
    # The waypoints that the driver has reached: by their number, from 0, as a string, the times of
    # `arriving`, `arrived` and `departed`. Written while the row of the trip is locked.
    reached: Any = models.JSONField(null=True, editable=False)
    assigned_by: Any = by_user(_("assigned by"))

    class Meta:
        verbose_name = _("driver of a trip")
        verbose_name_plural = _("drivers of trips")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["driver", "since"], name="tracking_trips_of_driver")]
        constraints = [
            models.UniqueConstraint(
                fields=["trip"], condition=Q(until=None), name="tracking_one_driver_per_trip"
            ),
        ]

    def __str__(self) -> str:
        return f"driver {self.driver_id} of trip {self.trip_id}"


class TripChange(models.Model):
    """One change of a trip: its status and its driver from then on."""

    trip = models.ForeignKey(Trip, on_delete=models.CASCADE, related_name="changes")
    version = models.PositiveIntegerField()
    changed_at = models.DateTimeField(_("changed at"))
    status = models.CharField(_("status"), max_length=40, choices=TripStatus.choices)
    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("driver"),
    )
    reason = models.CharField(_("reason"), max_length=100, blank=True)
    changed_by: Any = by_user(_("changed by"))

    class Meta:
        verbose_name = _("change of a trip")
        verbose_name_plural = _("changes of trips")
        default_permissions = ("view",)
        # Workers look for what changed in the last seconds.
        indexes = [models.Index(fields=["changed_at"], name="tracking_trip_changed_at")]
        constraints = [
            models.UniqueConstraint(fields=["trip", "version"], name="tracking_trip_version"),
        ]

    def __str__(self) -> str:
        return f"trip {self.trip_id}: {self.status}"
