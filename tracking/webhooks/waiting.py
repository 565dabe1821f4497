"""The events and deliveries that wait for `tracking_deliver`, in the whole database.

Their age and number grow while none runs, or while it does not keep up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from tracking.events.dispatch import count_pending, oldest_pending
from tracking.webhooks.due import count_due, oldest_due


@dataclass(frozen=True)
class Waiting:
    """The number of rows that wait, up to `events.dispatch.MAX_COUNTED`, and the oldest's age."""

    count: int
    seconds: float


def waiting() -> Mapping[str, Waiting]:
    """Return what waits, by queue: events to be dispatched, deliveries to be sent.

    Each number is read from an index of what is not done.
    """
    now = timezone.now()
    return {
        "dispatch": _waiting(count_pending(), oldest_pending(), now),
        "delivery": _waiting(count_due(now), oldest_due(now), now),
    }


def _waiting(count: int, since: datetime | None, now: datetime) -> Waiting:
    # The clock of another machine may be a little ahead.
    return Waiting(count, 0.0 if since is None else max(0.0, (now - since).total_seconds()))
