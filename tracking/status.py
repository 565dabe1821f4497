"""How fresh a location is: the one rule for the wire, the map and the admin."""

from datetime import datetime, timedelta

from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from tracking.conf import conf


class Status(TextChoices):
    LIVE = "live", _("live")
    STALE = "stale", _("stale")
    OFFLINE = "offline", _("offline")


def status_of(age: float) -> Status:
    """The status of a location that was recorded `age` seconds ago."""
    if age < conf.STALE_AFTER:
        return Status.LIVE
    return Status.STALE if age < conf.OFFLINE_AFTER else Status.OFFLINE


def has_status(status: Status, now: datetime) -> Q:
    """The condition on `DriverLocation` that agrees with `status_of` at the time `now`."""
    not_live = Q(recorded_at__lte=now - timedelta(seconds=conf.STALE_AFTER))
    offline = Q(recorded_at__lte=now - timedelta(seconds=conf.OFFLINE_AFTER))
    return {Status.LIVE: ~not_live, Status.STALE: not_live & ~offline, Status.OFFLINE: offline}[
        status
    ]
