"""How fresh a location is: the one rule for the wire, the map, REST and the admin.

The place goes by when it was measured, the phone by when it was heard. A driver is `live` while
both are fresh, and `offline` once the phone was not heard for long, or its connection ended. In
between it is `stale`: the phone is heard but does not say where it is now, or it has fallen silent.
"""

from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from tracking.conf import conf


class Located(Protocol):
    """A fix, or a row that keeps one."""

    @property
    def recorded_at(self) -> datetime: ...

    @property
    def heard(self) -> datetime: ...

    @property
    def disconnected_at(self) -> datetime | None: ...


class Status(TextChoices):
    LIVE = "live", _("live")
    STALE = "stale", _("stale")
    OFFLINE = "offline", _("offline")


def status_of(located: Located, now: datetime) -> Status:
    """Return how fresh a driver's newest fix is at the time `now`."""
    silent = (now - located.heard).total_seconds()
    if located.disconnected_at is not None or silent >= conf.OFFLINE_AFTER:
        return Status.OFFLINE
    # What was heard last was measured before that.
    age = (now - located.recorded_at).total_seconds()
    return Status.LIVE if age < conf.STALE_AFTER else Status.STALE


def next_change(located: Located, now: datetime) -> float | None:
    """Return in how many seconds the status changes if nothing comes, or None if it does not."""
    silent = (now - located.heard).total_seconds()
    if located.disconnected_at is not None or silent >= conf.OFFLINE_AFTER:
        return None
    age = (now - located.recorded_at).total_seconds()
    if age < conf.STALE_AFTER:
        return float(conf.STALE_AFTER - age)
    return float(conf.OFFLINE_AFTER - silent)


def has_status(status: Status, now: datetime) -> Q:
    """Return the condition on `DriverLocation` that agrees with `status_of` at the time `now`."""
    long_ago = now - timedelta(seconds=conf.OFFLINE_AFTER)
    offline = Q(disconnected_at__isnull=False) | (
        Q(received_at__lte=long_ago) & (Q(heard_at=None) | Q(heard_at__lte=long_ago))
    )
    not_live = offline | Q(recorded_at__lte=now - timedelta(seconds=conf.STALE_AFTER))
    return {Status.LIVE: ~not_live, Status.STALE: not_live & ~offline, Status.OFFLINE: offline}[
        status
    ]
