"""Retention: expiry of whole days after HISTORY_DAYS, and holds that keep a part for a dispute."""

import logging
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router
from django.utils import timezone

from tracking.arguments import id_of
from tracking.conf import conf
from tracking.history.erasure_log import append_on_commit, line_of_hold
from tracking.history.partitions import (
    DAY,
    PARTITIONED,
    day_of,
    days_of,
    drivers_of,
    drop_day,
    history_db,
    is_partitioned,
    rewriting,
    start_of,
)
from tracking.history.removal import remove
from tracking.history.rows import Span, live_holds, spans_of
from tracking.ids import DriverId, UserId
from tracking.models import HistoryHold, TripAssignment, WatchGrant

logger = logging.getLogger(__name__)

MAX_REFERENCE: Final = 200


class InvalidHold(ValueError):
    """Raised for a hold of nothing: no such trip, or a window that is none."""


class Expired(NamedTuple):
    """The expired days: `days` are deleted, and `held` are those of which holds keep a part.

    A day is `busy` if others used its tables for so long that it is left to the next call.
    """

    days: list[date]
    held: list[date]
    busy: list[date]


def expire() -> Expired:
    """Delete the history of whole days that ended HISTORY_DAYS ago or earlier, except what is held.

    Nothing is deleted if HISTORY_DAYS is 0. A day without holds is dropped on PostgreSQL. From
    others, and on SQLite, one driver's day is deleted after the other.
    """
    expired = Expired([], [], [])
    if not conf.HISTORY_DAYS:
        return expired
    first_kept = day_of(timezone.now() - timedelta(days=conf.HISTORY_DAYS))
    days = {day for model in PARTITIONED for day in days_of(model)}
    for day in sorted(day for day in days if day < first_kept):
        if live_holds(_span_of(day)).exists():
            _delete_day(day)
            expired.held.append(day)
        elif not is_partitioned():
            _delete_day(day)
            expired.days.append(day)
        elif _drop_day(day):
            expired.days.append(day)
        else:
            expired.busy.append(day)
    return expired


def _span_of(day: date) -> Span:
    return Span(start_of(day), start_of(day + DAY))


def _drop_day(day: date) -> bool:
    def is_droppable() -> bool:
        return not live_holds(_span_of(day)).exists()

    dropped = [drop_day(model, day, is_droppable=is_droppable) for model in PARTITIONED]
    return all(dropped)


def _delete_day(day: date) -> None:
    span = _span_of(day)
    for driver_id in sorted({pk for model in PARTITIONED for pk in drivers_of(model, day)}):
        with rewriting():
            holds = live_holds(span).filter(driver_id=driver_id)  # type: ignore[misc]  # the demo's ids are integers
            remove(driver_id, span, spans_of(holds))


def hold(
    reference: str,
    driver_id: DriverId | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    by: AbstractBaseUser | UserId | None = None,
) -> list[HistoryHold]:
    """Keep a driver's fixes recorded from `since` to `until`, exclusively, until `release`.

    With the reference alone, keep those of the trips with that reference: of each driver that had
    it, from the assignment to its end, and from the start to the end of each watch grant that
    belongs to no trip. A trip that has not ended is held until its `ends_at`, and to the end of its
    present day of 24 hours: call this again if it lasts longer.

    Neither expiry nor a later erasure deletes what is held. Return the holds, also those that exist
    already. Each is added to the file TRACKING["ERASURE_LOG"]. `by` is the user who asks for it; it
    is stored.

    Raise InvalidHold, a ValueError, if no trip and no grant has the reference, if the window is
    empty or has no time zone, or if the reference is empty or has more than 200 characters.
    """
    if not 0 < len(reference) <= MAX_REFERENCE:
        raise InvalidHold(f"A reference has 1 to {MAX_REFERENCE} characters.")
    if driver_id is None and since is None and until is None:
        parts = _trips(reference)
    else:
        parts = {_checked(driver_id, since, until)}
    with rewriting():
        holds = HistoryHold.objects.using(history_db())
        found = [
            holds.get_or_create(  # type: ignore[misc]  # as above
                reference=reference,
                driver_id=driver,
                since=span.since,
                until=span.until,
                released_at=None,
                defaults={"held_at": timezone.now(), "held_by_id": id_of(by)},
            )
            for driver, span in sorted(parts)
        ]
        append_on_commit([line_of_hold(made) for made, is_new in found if is_new])
    return [each for each, _ in found]


def _trips(reference: str) -> set[tuple[DriverId, Span]]:
    """Return the drivers and times of the trips with a reference, and of grants without a trip."""
    spans = _of_trips(reference) | _of_grants(reference)
    # A grant that was ended before its start is no trip.
    trips = {(driver_id, span) for driver_id, span in spans if span.since < span.until}
    if not trips:
        raise InvalidHold("No trip has this reference. Give a driver and a window of time.")
    return trips


def _of_trips(reference: str) -> set[tuple[DriverId, Span]]:
    rows = TripAssignment.objects.using(router.db_for_read(TripAssignment))
    rows = rows.filter(trip__reference=reference)
    now = timezone.now()
    return {
        (driver_id, Span(since, until or _end_of_open(since, ends_at, now)))
        for driver_id, since, until, ends_at in rows.values_list(
            "driver_id", "since", "until", "trip__ends_at"
        )
    }


def _end_of_open(since: datetime, ends_at: datetime | None, now: datetime) -> datetime:
    """Return the end of a hold of a trip that has not ended: whole days after its start, so that
    holding it again finds the same hold."""
    days = max(now - since, timedelta()) // DAY + 1
    return max(since + days * DAY, ends_at or since)


def _of_grants(reference: str) -> set[tuple[DriverId, Span]]:
    grants = WatchGrant.objects.using(router.db_for_read(WatchGrant)).filter(reference=reference)
    return {
        (driver_id, Span(starts_at, min(ended_at or ends_at, ends_at)))
        for driver_id, starts_at, ends_at, ended_at in grants.filter(trip=None).values_list(
            "driver_id", "starts_at", "ends_at", "ended_at"
        )
    }


def _checked(
    driver_id: DriverId | None, since: datetime | None, until: datetime | None
) -> tuple[DriverId, Span]:
    if driver_id is None or since is None or until is None:
        raise InvalidHold("Give a driver, the start and the end of the time, or none of them.")
    if timezone.is_naive(since) or timezone.is_naive(until):
        raise InvalidHold("A time needs a time zone.")
    if until <= since:
        raise InvalidHold("The end must be after the start.")
    return driver_id, Span(since, until)


def release(reference: str, *, by: AbstractBaseUser | UserId | None = None) -> int:
    """Release the holds of this reference, and return their number.

    What they kept is deleted by the next `tracking_maintain`, if it has expired or was erased.
    `by` is the user who releases them, for the log.
    """
    with rewriting():
        holds = HistoryHold.objects.using(history_db())
        released = list(holds.filter(reference=reference, released_at=None))
        now = timezone.now()
        for each in released:
            each.released_at = now
        holds.bulk_update(released, ["released_at"])
        append_on_commit([line_of_hold(each) for each in released])
    if released:
        logger.info("%d holds of the history released by user %s", len(released), id_of(by))
    return len(released)
