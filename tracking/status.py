"""How fresh a location is: the one rule for the wire, the map, REST and the admin.

The server's clock decides, because a phone's may be wrong by hours.
"""

from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from tracking.conf import conf


class Located(Protocol):
    """A fix, or a row that keeps one."""

    @property
    def received_at(self) -> datetime: ...

    @property
    def disconnected_at(self) -> datetime | None: ...


class Status(TextChoices):
    LIVE = "live", _("live")
    STALE = "stale", _("stale")
    OFFLINE = "offline", _("offline")


def status_of(located: Located, now: datetime) -> Status:
    """Return how fresh a driver's newest fix is at the time `now`."""
    age = (now - located.received_at).total_seconds()
    if located.disconnected_at is not None or age >= conf.OFFLINE_AFTER:
        return Status.OFFLINE
    return Status.LIVE if age < conf.STALE_AFTER else Status.STALE


def next_change(located: Located, now: datetime) -> float | None:
    """Return in how many seconds the status changes if nothing comes, or None if it does not."""
    age = (now - located.received_at).total_seconds()
    if located.disconnected_at is not None or age >= conf.OFFLINE_AFTER:
        return None
    until: float = conf.STALE_AFTER if age < conf.STALE_AFTER else conf.OFFLINE_AFTER
    return until - age


def has_status(status: Status, now: datetime) -> Q:
    """Return the condition on `DriverLocation` that agrees with `status_of` at the time `now`."""
    offline = Q(disconnected_at__isnull=False) | Q(
        received_at__lte=now - timedelta(seconds=conf.OFFLINE_AFTER)
    )
    not_live = offline | Q(received_at__lte=now - timedelta(seconds=conf.STALE_AFTER))
    return {Status.LIVE: ~not_live, Status.STALE: not_live & ~offline, Status.OFFLINE: offline}[
        status
    ]
