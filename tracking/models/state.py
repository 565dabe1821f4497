"""Drivers' states, which say whether dispatch may give a driver a trip, and their changes."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user


class State(models.TextChoices):
    """The vehicle states of the Mobility Data Specification 2.0 that a driver sets or gets."""

    AVAILABLE = "available", _("available")
    RESERVED = "reserved", _("reserved")
    ON_TRIP = "on_trip", _("on a trip")
    NON_OPERATIONAL = "non_operational", _("off duty")


class DriverState(models.Model):
    """A driver's state since the time `since`, and the trip that it belongs to, if any.

    Written only by `tracking.states`. A driver without a row has never had a state: the project
    does not use states, or not for this driver. All times are aware UTC, places WGS 84 degrees.
    """

    driver = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="driver_state",
        verbose_name=_("driver"),
    )
    state = models.CharField(_("state"), max_length=20, choices=State.choices)
    since = models.DateTimeField(_("since"))
    trip = models.ForeignKey(
        "tracking.Trip",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("trip"),
    )
    vehicle_type = models.CharField(
        _("vehicle type"),
        max_length=50,
        blank=True,
        help_text=_(
            "In your own words, such as “van”: a search for the nearest cars may ask for it."
        ),
    )
    # The last time off duty. What was recorded in it is refused, also if it arrives later.
    off_duty_from = models.DateTimeField(_("off duty from"), null=True, editable=False)
    off_duty_until = models.DateTimeField(_("off duty until"), null=True, editable=False)
    # Riders who look for cars nearby do not see this one near the place where its shift began, and
    # where the last shifts ended: lists of [latitude, longitude].
    shift_began_at = models.JSONField(null=True, editable=False)
    shifts_ended_at = models.JSONField(default=list, editable=False)

    class Meta:
        verbose_name = _("driver's state")
        verbose_name_plural = _("drivers' states")
        default_permissions = ("view", "change")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="tracking_driver_state_valid"
            ),
        ]

    def __str__(self) -> str:
        names = {"driver": self.driver_id, "state": self.get_state_display()}
        return gettext("driver %(driver)s: %(state)s") % names


class DriverStateChange(models.Model):
    """One change of a driver's state. `previous` is empty for the first one.

    The place is the last known location at that time; for the begin of a shift, the first fix after
    it. Both are null if there was none, or once it has expired or was erased.
    """

    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )
    previous = models.CharField(_("previous state"), max_length=20, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=State.choices)
    changed_at = models.DateTimeField(_("changed at"))
    latitude = models.FloatField(_("latitude"), null=True)
    longitude = models.FloatField(_("longitude"), null=True)
    reason = models.CharField(_("reason"), max_length=100, blank=True)
    trip = models.ForeignKey(
        "tracking.Trip",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("trip"),
    )
    changed_by: Any = by_user(_("changed by"))

    class Meta:
        verbose_name = _("change of a driver's state")
        verbose_name_plural = _("changes of drivers' states")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["driver", "changed_at"], name="tracking_state_of_driver"),
            # Workers look for what changed in the last seconds.
            models.Index(fields=["changed_at"], name="tracking_state_changed_at"),
            # Maintenance looks for places that have expired: nearly all rows have none.
            models.Index(
                fields=["changed_at"],
                condition=Q(latitude__isnull=False),
                name="tracking_state_with_place",
            ),
        ]

    def __str__(self) -> str:
        names = {"driver": self.driver_id, "state": self.get_state_display()}
        return gettext("driver %(driver)s: %(state)s") % names
