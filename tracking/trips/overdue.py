"""Trips that nobody ended: canceled once their time is over, so that no driver stays reserved."""

import logging
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import Error, router
from django.db.models import Q
from django.utils import timezone

from tracking.conf import conf
from tracking.models import Trip
from tracking.trips.errors import TripOver
from tracking.trips.life import cancel

logger = logging.getLogger(__name__)

REASON: Final = "overdue"

# Trips found by one query. Each is canceled in a transaction of its own.
BATCH_SIZE: Final = 500


class Overdue(NamedTuple):
    """The number of trips that were canceled, and the ids of those that could not be."""

    canceled: int
    failed: list[int]


def cancel_overdue() -> Overdue:
    """Cancel the open trips that nobody may follow any more, with the reason "overdue".

    That are those whose `ends_at` has passed, and without one, those that their driver has had for
    TRACKING["MAX_GRANT_DURATION"].

    One that is ended or deleted by others at the same time is left alone. One that cannot be
    canceled, as its rows are locked, is logged and stops no other.
    """
    rows = Trip.objects.using(router.db_for_write(Trip)).order_by("pk")
    now = timezone.now()
    overdue = Q(ends_at__lte=now)
    if conf.MAX_GRANT_DURATION:
        longest = timedelta(seconds=conf.MAX_GRANT_DURATION)
        overdue |= Q(ends_at=None, assigned_at__lte=now - longest)
    rows = rows.filter(overdue, ended_at=None)
    canceled, failed, last = 0, [], 0
    while batch := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH_SIZE]):
        for pk in batch:
            try:
                canceled += _is_canceled(pk)
            except Error:
                logger.exception("Trip %s is overdue, and could not be canceled", pk)
                failed.append(pk)
        last = batch[-1]
    return Overdue(canceled, failed)


def _is_canceled(pk: int) -> bool:
    try:
        trip = cancel(pk, reason=REASON)
    except (TripOver, Trip.DoesNotExist):
        return False
    # Canceled by others, it is returned as it is.
    return trip.changes.filter(version=trip.version, reason=REASON).exists()
