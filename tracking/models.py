"""What is stored: each driver's newest fix, who may watch whom until when, and who looked."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tracking.conf import conf

# Django looks for models here, and at this time. One that is imported later may be left out of what
# a deleted user takes along.
from tracking.phones.devices import Device

__all__ = [
    "Device",
    "DriverLocation",
    "EndedWebSession",
    "LocationAccess",
    "WatchGrant",
    "WatchGrantQuerySet",
    "Worker",
]


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
        help_text=_("When the phone was heard last, if that is later than the location arrived."),
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
        return f"driver {self.driver_id}"

    @property
    def heard(self) -> datetime:
        """When the phone was heard last."""
        return self.heard_at or self.received_at


def by_user(verbose_name: Any) -> Any:
    """Return a field for the user who did something, who may have been deleted since."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=verbose_name,
    )


class WatchGrantQuerySet(models.QuerySet["WatchGrant"]):
    """Grants, chosen by what they are worth at a time."""

    def live(self, at: datetime) -> "WatchGrantQuerySet":
        """Those that permit watching at the time `at`."""
        return self.in_state(WatchGrant.State.LIVE, at)

    def in_state(self, state: "WatchGrant.State", at: datetime) -> "WatchGrantQuerySet":
        """Those whose `state_at(at)` is `state`."""
        if state == WatchGrant.State.ENDED:
            return self.exclude(ended_at=None)
        conditions = {
            WatchGrant.State.FUTURE: Q(starts_at__gt=at),
            WatchGrant.State.LIVE: Q(starts_at__lte=at, ends_at__gt=at),
            WatchGrant.State.EXPIRED: Q(ends_at__lte=at),
        }
        return self.filter(conditions[state], ended_at=None)


class WatchGrant(models.Model):
    """A watcher may watch a driver from `starts_at` until, exclusively, `ends_at`; aware UTC.

    `ended_at` says when it was ended by hand, which is for good. `tracking.grants` opens,
    reschedules and ends grants, and tells the open connections of every change.
    """

    class State(models.TextChoices):
        FUTURE = "future", _("future")
        LIVE = "live", _("live")
        EXPIRED = "expired", _("expired")
        ENDED = "ended", _("ended")

    driver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="driver_grants",
        verbose_name=_("driver"),
    )
    watcher = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="watcher_grants",
        verbose_name=_("watcher"),
    )
    starts_at = models.DateTimeField(_("starts at"), default=timezone.now)
    ends_at = models.DateTimeField(_("ends at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)
    reference = models.CharField(
        _("reference"), max_length=100, blank=True, help_text=_("The trip, in your own words.")
    )

    # Without constraint and index, which a full table would have to stop writes for: these are read
    # with the grant, and never looked up by.
    opened_by = by_user(_("opened by"))
    changed_by = by_user(_("changed by"))
    ended_by = by_user(_("ended by"))

    # Whose the stored row is while a save goes on: see `tracking.grants`.
    stored_watcher_id: int | None = None

    objects = WatchGrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("watch grant")
        verbose_name_plural = _("watch grants")
        indexes = [
            # The watch policy's question, asked for every open connection every half minute.
            # Ended grants, nearly all of the table, are not in it.
            models.Index(
                fields=["watcher", "driver", "ends_at"],
                condition=Q(ended_at=None),
                name="tracking_grant_not_ended",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="tracking_grant_ends_after_start"
            ),
            models.CheckConstraint(
                condition=~Q(watcher=F("driver")), name="tracking_grant_between_two"
            ),
        ]

    def __str__(self) -> str:
        return f"driver {self.driver_id} to watcher {self.watcher_id}"

    def state_at(self, at: datetime) -> State:
        """What the grant is worth at the time `at`."""
        if self.ended_at is not None:
            return self.State.ENDED
        if at < self.starts_at:
            return self.State.FUTURE
        return self.State.LIVE if at < self.ends_at else self.State.EXPIRED

    def clean(self) -> None:
        """Raise ValidationError unless the grant, as it is, can be opened or rescheduled now."""
        errors: dict[str, Any] = {}
        if self.driver_id is not None and self.driver_id == self.watcher_id:
            errors["watcher"] = _("A driver needs no grant to watch itself.")
        for field, time in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            if time is not None and timezone.is_naive(time):
                errors[field] = _("A time needs a time zone.")
        if self.ends_at is not None and not errors.keys() & {"starts_at", "ends_at"}:
            if self.ends_at <= timezone.now():
                errors["ends_at"] = _("A grant must end in the future.")
            elif self.starts_at is not None and self.ends_at <= self.starts_at:
                errors["ends_at"] = _("A grant must end after it starts.")
            elif self.starts_at is not None and conf.MAX_GRANT_DURATION:
                longest = timedelta(seconds=conf.MAX_GRANT_DURATION)
                if self.ends_at - self.starts_at > longest:
                    text = _("A grant may last %(hours)g hours at the most.")
                    errors["ends_at"] = text % {"hours": longest / timedelta(hours=1)}
        if errors:
            raise ValidationError(errors)


class EndedWebSession(models.Model):
    """A web session whose user logged out, kept until its access tokens have expired."""

    claim = models.CharField(max_length=64, primary_key=True)
    ended_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("ended web session")
        verbose_name_plural = _("ended web sessions")

    def __str__(self) -> str:
        return self.claim[:8]


class Worker(models.Model):
    """A process that serves connections, as long as it lives.

    Written by `tracking.runtime.heartbeat`, and deleted half a minute after it was last.
    """

    id = models.CharField(max_length=32, primary_key=True)
    name = models.CharField(max_length=320, help_text=_("The host and the process, for people."))
    sent = models.PositiveBigIntegerField(help_text=_("Heartbeats that the channel layer took."))
    seen_at = models.DateTimeField(help_text=_("By the database's clock."))

    class Meta:
        default_permissions = ()
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name


class LocationAccess(models.Model):
    """Looks of a viewer at a driver's location, or without a driver at all drivers'.

    Written by `tracking.access_log`: a row stands for ten minutes from `at`, aware UTC. The viewer
    may have been deleted since; a driver who is deleted takes the rows along.
    """

    class Way(models.TextChoices):
        STREAM = "stream", _("live map of one driver")
        FLEET = "fleet", _("live map of the fleet")
        REST = "rest", _("one driver over REST")
        LIST = "list", _("list over REST")
        SEARCH = "search", _("search")
        ADMIN = "admin", _("admin")

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
        return f"{self.viewer_id} at {self.driver_id or 'all drivers'}"
