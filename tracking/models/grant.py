"""Watch grants, which permit a watcher to watch a driver for a time."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tracking.conf import conf
from tracking.ids import UserId
from tracking.models.fields import by_user


class WatchGrantQuerySet(models.QuerySet["WatchGrant"]):
    """Grants, filtered by their state at a time."""

    def live(self, at: datetime) -> "WatchGrantQuerySet":
        """Return the grants that permit watching at the time `at`."""
        return self.in_state(WatchGrant.State.LIVE, at)

    def in_state(self, state: "WatchGrant.State", at: datetime) -> "WatchGrantQuerySet":
        """Return the grants whose `state_at(at)` is `state`."""
        if state == WatchGrant.State.ENDED:
            return self.exclude(ended_at=None)
        conditions = {
            WatchGrant.State.FUTURE: Q(starts_at__gt=at),
            WatchGrant.State.LIVE: Q(starts_at__lte=at, ends_at__gt=at),
            WatchGrant.State.EXPIRED: Q(ends_at__lte=at),
        }
        return self.filter(conditions[state], ended_at=None)


class WatchGrant(models.Model):
    """The permission of a watcher to watch a driver from `starts_at` until before `ends_at`.

    All times are aware UTC. `ended_at` is when it was ended early, which is final.
    `tracking.grants` opens, reschedules and ends grants, and has open connections checked after
    every change.
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

    # Without constraint and index: adding them would block writes to a large table, and grants are
    # never looked up by these fields alone.
    trip = models.ForeignKey(
        "tracking.Trip",
        on_delete=models.DO_NOTHING,
        null=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("trip"),
    )
    opened_by = by_user(_("opened by"))
    changed_by = by_user(_("changed by"))
    ended_by = by_user(_("ended by"))

    # The watcher of the stored row during a save: see `tracking.grants`.
    stored_watcher_id: UserId | None = None

    objects = WatchGrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("watch grant")
        verbose_name_plural = _("watch grants")
        indexes = [
            # For the watch policy's query, which runs for every open connection every 30 s.
            # The index leaves out ended grants, nearly all of the table.
            models.Index(
                fields=["watcher", "driver", "ends_at"],
                condition=Q(ended_at=None),
                name="tracking_grant_not_ended",
            ),
            # For the history of trips, which asks of each fix whether a grant was live: a driver
            # has thousands of grants in a year, and few that end after the fix.
            models.Index(fields=["driver", "ends_at"], name="tracking_grant_driver_end"),
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
        names = {"driver": self.driver_id, "watcher": self.watcher_id}
        return gettext("driver %(driver)s to watcher %(watcher)s") % names

    def state_at(self, at: datetime) -> State:
        """Return the state of the grant at the time `at`."""
        if self.ended_at is not None:
            return self.State.ENDED
        if at < self.starts_at:
            return self.State.FUTURE
        return self.State.LIVE if at < self.ends_at else self.State.EXPIRED

    def clean(self) -> None:
        """Raise ValidationError unless the grant can be opened or rescheduled now."""
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
