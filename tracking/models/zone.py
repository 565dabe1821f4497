"""Zones, such as airports and depots, and the drivers' visits to them."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tracking.models.fields import by_user


class Zone(models.Model):
    """An area: a circle of `radius` metres around a place, or a polygon.

    `polygon` is a list of [latitude, longitude], at least three and without the first again at the
    end. After `dwell_after` seconds inside, a driver dwells; null means never.
    """

    class Kind(models.TextChoices):
        CIRCLE = "circle", _("circle")
        POLYGON = "polygon", _("polygon")

    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.CIRCLE)
    latitude = models.FloatField(
        _("latitude"),
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
    )
    longitude = models.FloatField(
        _("longitude"),
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
    )
    radius = models.FloatField(
        _("radius"),
        null=True,
        blank=True,
        validators=[MinValueValidator(10), MaxValueValidator(50_000)],
    )
    polygon: Any = models.JSONField(_("polygon"), default=list, blank=True)
    dwell_after = models.PositiveIntegerField(
        _("dwell after"),
        null=True,
        blank=True,
        help_text=_("Seconds inside after which a driver dwells. Empty: never."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True, db_index=True)
    created_by: Any = by_user(_("created by"))

    class Meta:
        verbose_name = _("zone")
        verbose_name_plural = _("zones")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind="circle",
                    latitude__range=(-90, 90),
                    longitude__range=(-180, 180),
                    radius__range=(10, 50_000),
                )
                | Q(kind="polygon", latitude=None, longitude=None, radius=None),
                name="tracking_zone_shape_valid",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ZoneVisit(models.Model):
    """A driver's time in a zone; without `exited_at` it goes on. All times are aware UTC."""

    # Without a constraint: a zone that is deleted while a car enters must not fail the fix.
    zone = models.ForeignKey(
        Zone,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="visits",
        verbose_name=_("zone"),
    )
    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="+",
        verbose_name=_("driver"),
    )
    entered_at = models.DateTimeField(_("entered at"))
    dwelled_at = models.DateTimeField(_("dwelled at"), null=True)
    exited_at = models.DateTimeField(_("exited at"), null=True)

    class Meta:
        verbose_name = _("visit to a zone")
        verbose_name_plural = _("visits to zones")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["driver", "entered_at"], name="tracking_visit_of_driver"),
            # Maintenance looks for those that have ended long ago.
            models.Index(fields=["exited_at"], name="tracking_visit_ended"),
            # For the look at drivers who stay.
            models.Index(
                fields=["entered_at"],
                condition=Q(dwelled_at=None, exited_at=None),
                name="tracking_visit_open",
            ),
        ]
        constraints = [
            # Of two workers that see a driver enter, one writes the visit.
            models.UniqueConstraint(
                fields=["driver", "zone"],
                condition=Q(exited_at=None),
                name="tracking_one_open_visit",
            ),
        ]

    def __str__(self) -> str:
        return f"driver {self.driver_id} in zone {self.zone_id}"
