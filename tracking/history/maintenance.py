"""The steps of `manage.py tracking_maintain` that concern the history, and their lock.

Each step may be repeated, and interrupted at any moment: the next run continues. On PostgreSQL a
run uses three connections at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Final

from django.utils import timezone

from tracking.conf import conf
from tracking.history.erasure import apply_erasures
from tracking.history.matches import expire_matches
from tracking.history.packer import pack_day
from tracking.history.packing import CorruptSegment
from tracking.history.partitions import (
    DAY,
    LOCK_SPACE,
    MAINTENANCE_LOCK,
    PARTITIONED,
    create_days,
    day_of,
    days_of,
    extra_connection,
    is_partitioned,
)
from tracking.history.places import expire_places
from tracking.history.retention import expire
from tracking.models import HistoryFix

# Partitions are created for today and so many days after it, in case a run is missed.
DAYS_AHEAD: Final = 7


@contextmanager
def exclusive() -> Iterator[bool]:
    """Yield True if no other process is in here, over all machines; otherwise yield False.

    The lock is that of a transaction on a connection of its own: PgBouncer in transaction mode may
    give a lock of the session to others. On SQLite every process is let in.
    """
    if not is_partitioned():
        yield True
        return
    with extra_connection() as connection, connection.cursor() as cursor:
        # The transaction is idle until the end of the run. It holds back no VACUUM.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_SPACE, MAINTENANCE_LOCK])
        (is_first,) = cursor.fetchone()
        yield is_first


def create_ahead() -> str:
    """Create the partitions of today and the days ahead, and return what was done."""
    if conf.HISTORY == "off":
        return "none created, as the history is off"
    today = day_of(timezone.now())
    days = [today + number * DAY for number in range(DAYS_AHEAD + 1)]
    created = sum(len(create_days(model, days)) for model in PARTITIONED)
    return f"{created} created"


def erase_again() -> str:
    """Apply all erasures again, and return what was done."""
    applied = apply_erasures()
    return f"{applied.erasures} applied again, {applied.fixes} fixes deleted"


def expire_old() -> str:
    """Delete the days that have expired, and return what was done."""
    if not conf.HISTORY_DAYS:
        return "none deleted, as TRACKING['HISTORY_DAYS'] is not set"
    expired = expire()
    parts = [f"{len(expired.days)} deleted"]
    if expired.held:
        parts.append(f"{len(expired.held)} kept in part for holds")
    return ", ".join(parts) + _waiting(expired.busy)


def expire_old_places() -> str:
    """Clear the places of states and trips that have expired, and return what was done."""
    if not conf.HISTORY_DAYS:
        return "none deleted, as TRACKING['HISTORY_DAYS'] is not set"
    expired = expire_places()
    return (
        f"{expired.changes} of state changes, {expired.drivers} drivers' of shifts, and those of"
        f" {expired.trips} trips deleted"
    )


def expire_old_matches() -> str:
    """Delete the ways on streets of trips that have expired, and return what was done."""
    if not conf.HISTORY_DAYS:
        return "none deleted, as TRACKING['HISTORY_DAYS'] is not set"
    return f"{expire_matches()} deleted"


def pack_old() -> str:
    """Pack the days older than HISTORY_HOT_DAYS, and return what was done.

    Raise CorruptSegment at the end if the late fixes of a day cannot be merged into a segment.
    """
    first_hot = day_of(timezone.now()) - timedelta(days=conf.HISTORY_HOT_DAYS)
    packed, fixes, busy, damaged = 0, 0, [], []
    for day in days_of(HistoryFix):
        if day >= first_hot:
            continue
        try:
            result = pack_day(day)
        except CorruptSegment as error:
            damaged.append(f"{day} ({error})")
            continue
        fixes += result.fixes
        packed += result.is_done
        if not result.is_done:
            busy.append(day)
    done = f"{packed} packed, {fixes} fixes{_waiting(busy)}"
    if damaged:
        raise CorruptSegment(f"{done}, not {', '.join(damaged)}")
    return done


def _waiting(busy: list[date]) -> str:
    days = ", ".join(map(str, busy))
    return f"; in use, so left to the next run: {days}" if busy else ""


# The steps of a run, in order: a title, and a function that returns a line for the log. Days that
# have expired need not be packed. An erasure while a day was packed is applied again.
STEPS: Final[tuple[tuple[str, Callable[[], str]], ...]] = (
    ("Partitions", create_ahead),
    ("Erasures", erase_again),
    ("Expired days", expire_old),
    ("Expired places", expire_old_places),
    ("Expired ways of trips", expire_old_matches),
    ("Days to pack", pack_old),
    ("Erasures after packing", erase_again),
)
