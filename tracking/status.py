"""The status of a driver: one rule for the wire, the map, REST and the admin.

A driver is `live` while the location was measured within STALE_AFTER, and `offline` once nothing
was received from the phone for OFFLINE_AFTER, or its connection ended. In between it is `stale`:
the phone sends no new location, or nothing at all.
"""

from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from tracking.conf import conf


class Located(Protocol):
    """A fix, or a row that stores one."""

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
    """Return the status at the time `now` of a driver with this newest fix."""
    silent = (now - located.heard).total_seconds()
    if located.disconnected_at is not None or silent >= conf.OFFLINE_AFTER:
        return Status.OFFLINE
    # A fix is measured before it is received, so an age below STALE_AFTER implies that the phone
    # sent something as recently.
    age = (now - located.recorded_at).total_seconds()
    return Status.LIVE if age < conf.STALE_AFTER else Status.STALE


def next_change(located: Located, now: datetime) -> float | None:
    """Return the seconds until the status changes if nothing is received; None if it never does."""
    silent = (now - located.heard).total_seconds()
    if located.disconnected_at is not None or silent >= conf.OFFLINE_AFTER:
        return None
    age = (now - located.recorded_at).total_seconds()
    if age < conf.STALE_AFTER:
        return float(conf.STALE_AFTER - age)
    return float(conf.OFFLINE_AFTER - silent)


def has_status(status: Status, now: datetime) -> Q:
    """Return the condition on `DriverLocation` for rows whose `status_of` at `now` is `status`."""
    long_ago = now - timedelta(seconds=conf.OFFLINE_AFTER)
    offline = Q(disconnected_at__isnull=False) | (
        Q(received_at__lte=long_ago) & (Q(heard_at=None) | Q(heard_at__lte=long_ago))
    )
    not_live = offline | Q(recorded_at__lte=now - timedelta(seconds=conf.STALE_AFTER))
    return {Status.LIVE: ~not_live, Status.STALE: not_live & ~offline, Status.OFFLINE: offline}[
        status
    ]
