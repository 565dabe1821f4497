"""Events: what happened to trips and drivers, each written in the transaction that caused it."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tracking.ids import time_ordered_id


class EventType(models.TextChoices):
    """The types of events, with the names that webhooks have for them."""

    WAYPOINT_ARRIVING = "waypoint.arriving", _("The driver is about to arrive at a waypoint")
    WAYPOINT_ARRIVED = "waypoint.arrived", _("The driver has arrived at a waypoint")
    WAYPOINT_DEPARTED = "waypoint.departed", _("The driver has left a waypoint")
    ZONE_ENTERED = "zone.entered", _("A driver has entered a zone")
    ZONE_EXITED = "zone.exited", _("A driver has left a zone")
    ZONE_DWELLED = "zone.dwelled", _("A driver stays in a zone")
    TRIP_STATUS_CHANGED = "trip.status_changed", _("A trip's status or driver has changed")
    TRIP_ETA_CHANGED = "trip.eta_changed", _("A trip's time of arrival has changed")
    DRIVER_STATE_CHANGED = "driver.state_changed", _("A driver's state has changed")
    DRIVER_STATUS_CHANGED = "driver.status_changed", _("A driver is live, stale or offline")
    SHARE_OPENED = "share.opened", _("A shared trip was opened for the first time")
    TEST = "webhook.test", _("A test of an endpoint")


class Event(models.Model):
    """Something that happened once. Written only by `tracking.events`; never changed but for
    `dispatched_at`.

    The id is time-ordered (UUID version 7). `data` is the thin payload, without a location. The
    events of a trip are numbered by `sequence`, from 1. `key` is for what several workers may
    notice: it is unique. At `dispatched_at` the host's signal was sent, and the deliveries to
    webhooks exist.
    """

    id = models.UUIDField(primary_key=True, default=time_ordered_id, editable=False)
    type = models.CharField(_("type"), max_length=40, choices=EventType.choices)
    occurred_at = models.DateTimeField(_("occurred at"))
    # The events of a deleted driver are deleted after its row: releasing its trip makes some more.
    driver: Any = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )
    trip = models.ForeignKey(
        "tracking.Trip",
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        related_name="events",
        verbose_name=_("trip"),
    )
    sequence = models.PositiveIntegerField(_("sequence"), null=True)
    data: Any = models.JSONField(_("data"), default=dict)
    key = models.CharField(max_length=100, null=True, unique=True, editable=False)  # noqa: DJ001 - unique
    dispatched_at = models.DateTimeField(_("dispatched at"), null=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ("view",)
        indexes = [
            # What is to be dispatched: nearly all rows are not.
            models.Index(
                fields=["id"], condition=Q(dispatched_at=None), name="tracking_event_pending"
            ),
            models.Index(fields=["driver", "id"], name="tracking_event_of_driver"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(type__in=EventType.values), name="tracking_event_type_valid"
            ),
            models.UniqueConstraint(fields=["trip", "sequence"], name="tracking_event_sequence"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"
