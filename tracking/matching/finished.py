"""The job that matches finished trips to streets, in any number of processes at the same time."""

import logging
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from django.db import router
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tracking.conf import conf
from tracking.history.packing import CorruptSegment
from tracking.history.reading import track
from tracking.matching.engine import EngineFailed, ask
from tracking.matching.requests import (
    BadAnswer,
    Matched,
    chunks,
    joined,
    path,
    read_answer,
    thinned,
)
from tracking.models import Trip, TripAssignment, TripMatch
from tracking.throttled_log import Throttle
from tracking.trips.windows import windows_of

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Trips that ended between these times ago. Phones upload late what they had no network for: what
# comes after the first time is not matched. After the second one a trip is given up.
SETTLE: Final = timedelta(minutes=2)
MAX_AGE: Final = timedelta(days=3)
# The time after which a trip is tried again that failed, or whose process was killed.
RETRY_AFTER: Final = timedelta(minutes=10)
# Trips of one call, and of these the failures in a row after which the call ends.
LIMIT: Final = 100
MAX_FAILURES: Final = 3


def match_finished(limit: int = LIMIT) -> int:
    """Match trips that have ended to streets, and return how many are done.

    Nothing is done without `TRACKING["ROUTING"]` with OSRM, the only engine that is asked. A trip
    that fails is tried again later, and delays no other; one without fixes gets an empty match.
    """
    if not conf.ROUTING.get("URL") or conf.ROUTING.get("BACKEND") != "osrm":
        return 0
    done = failures = 0
    for trip in _unmatched(timezone.now())[:limit]:
        claimed_at = _claim(trip)
        if claimed_at is None:
            continue
        try:
            matched = _match(trip)
        except (EngineFailed, BadAnswer, CorruptSegment) as error:
            logger.warning("A finished trip could not be matched to streets: %s", error)
            failures += 1
            if failures == MAX_FAILURES:
                break
        else:
            failures = 0
            done += _finish(trip, claimed_at, matched)
    return done


def _unmatched(now: datetime) -> list[Trip]:
    """Return trips that ended lately and have neither a match nor somebody who works on it."""
    trips = Trip.objects.using(router.db_for_write(TripMatch))
    trips = trips.filter(ended_at__gt=now - MAX_AGE, ended_at__lt=now - SETTLE)
    free = Q(match=None) | Q(match__matched_at=None, match__claimed_at__lt=now - RETRY_AFTER)
    had_driver = Exists(TripAssignment.objects.filter(trip=OuterRef("pk")))
    return list(trips.filter(free, had_driver).order_by("ended_at")[: 10 * LIMIT])


def _claim(trip: Trip) -> datetime | None:
    """Return the time of a claim, which nobody else has of the trip; None if somebody has one."""
    now = timezone.now()
    matches = TripMatch.objects.using(router.db_for_write(TripMatch))
    stale = matches.filter(pk=trip.pk, matched_at=None, claimed_at__lt=now - RETRY_AFTER)
    if stale.update(claimed_at=now):
        return now
    # On a conflict nothing is inserted, and the row is not ours.
    matches.bulk_create([TripMatch(trip=trip, claimed_at=now)], ignore_conflicts=True)
    return now if matches.filter(pk=trip.pk, claimed_at=now, matched_at=None).exists() else None


def _match(trip: Trip) -> Matched:
    """Return the way of a trip's drivers, one after another."""
    answers = []
    for window in windows_of(trip, timezone.now()):
        fixes = thinned(track(*window))
        answers.append([read_answer(ask(path(part)), part) for part in chunks(fixes)])
    ways = [joined(each) for each in answers]
    return Matched(sum(way.distance for way in ways), list(chain(*(way.lines for way in ways))))


def _finish(trip: Trip, claimed_at: datetime, matched: Matched) -> int:
    """Store a match, unless its track was erased since the claim; return 1 if it is stored."""
    matches = TripMatch.objects.using(router.db_for_write(TripMatch))
    return matches.filter(pk=trip.pk, claimed_at=claimed_at, matched_at=None).update(
        matched_at=timezone.now(),
        distance=round(matched.distance, 1) if matched.lines else None,
        line="\n".join(matched.lines),
    )
