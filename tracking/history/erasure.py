"""Erasure of one driver's history, which leaves a tombstone that later writes and backups obey."""

import logging
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error, connections, transaction
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from tracking.arguments import id_of
from tracking.history import erasure_log
from tracking.history.alerts import erase_alerts
from tracking.history.erasure_log import line_of
from tracking.history.in_flight import wait_for_writers
from tracking.history.matches import erase_matches
from tracking.history.packing import CorruptSegment
from tracking.history.partitions import PARTITIONED, history_db, rewriting
from tracking.history.places import erase_places
from tracking.history.reading import read
from tracking.history.reconciliation import reconcile
from tracking.history.removal import remove
from tracking.history.rows import EARLIEST, Span, live_holds, spans_of
from tracking.history.visits import erase_visits
from tracking.ids import DriverId, UserId
from tracking.models import (
    DriverLocation,
    DriverStateChange,
    HistoryErasure,
    HistoryFix,
    HistorySegment,
    TripAssignment,
)

logger = logging.getLogger(__name__)

# The column with the time of the first fix of a row.
_OLDEST: Final[dict[type[Model], str]] = {HistoryFix: "recorded_at", HistorySegment: "first_at"}


class Erased(NamedTuple):
    """The outcome of an erasure.

    `fixes` is the number of deleted fixes, `holds` that of the holds that kept some. `location` is
    True if the last known location was deleted.
    """

    fixes: int
    holds: int
    location: bool


def erase(
    driver_id: DriverId,
    before: datetime | None = None,
    *,
    by: AbstractBaseUser | UserId | None = None,
) -> Erased:
    """Erase a driver's fixes recorded before `before`, by default now, except what is held.

    The last known location is deleted too, if it was recorded before that, and so are the places of
    state changes and of the begins and ends of shifts: the changes stay. So are the ways of trips
    on streets to which fixes were matched. The erasure is stored, and added to the file
    TRACKING["ERASURE_LOG"], so that neither a late upload nor a restored backup brings anything
    back. Holds that are made later do not protect from it. A part that is held is deleted by
    `tracking_maintain` after its release, and so is everything else if this is interrupted. The
    audit trail stays. `by` is the user who asks for it; it is stored.

    Raise ErasureLogError if the file cannot be written, before anything is deleted, and ValueError
    for a time without a time zone.

    In a transaction of the caller, the line is written on commit, and a fix that is being stored at
    the same time may stay until the next `tracking_maintain`.
    """
    now = timezone.now()
    if before is not None and timezone.is_naive(before):
        raise ValueError("A time needs a time zone.")
    erasure = HistoryErasure(  # type: ignore[misc]  # the demo's ids are integers
        driver_id=driver_id,
        before=now if before is None else min(before, now),
        erased_at=now,
        erased_by_id=id_of(by),
    )
    using = history_db()
    if connections[using].in_atomic_block:
        # A transaction that is rolled back must leave no line.
        erasure_log.append([])
        transaction.on_commit(partial(erasure_log.append, [line_of(erasure)]), using=using)
        _store(erasure)
    else:
        erasure_log.append([line_of(erasure)])
        # Committed before anything is deleted. A statement that began earlier does not see it, and
        # may insert what is erased: such statements end before the deletion begins, which sees
        # what they inserted. All others see the tombstone, so nothing remains.
        _store(erasure)
        if not wait_for_writers():
            logger.warning(
                "A transaction that writes locations does not end. What it stores of driver %s, "
                "who was erased, is deleted by the next tracking_maintain",
                driver_id,
            )
    return _apply(erasure)


def _store(erasure: HistoryErasure) -> None:
    """Store the tombstone: from its commit on, no statement that begins keeps such fixes."""
    with rewriting():
        erasure.save(using=history_db())


def _apply(erasure: HistoryErasure) -> Erased:
    """Delete what a stored erasure concerns."""
    using, driver_id = history_db(), erasure.driver_id
    span = Span(EARLIEST, erasure.before)
    location = DriverLocation.objects.using(using).filter(pk=driver_id)
    # A transaction of its own: who stores a fix waits for this row, and not for `rewriting`.
    with transaction.atomic(using):
        # In a transaction of the caller, this waits for the statement that holds the row, so that
        # what it inserted is deleted.
        list(location.select_for_update().values_list("pk"))
        deleted, _ = location.filter(recorded_at__lt=erasure.before).delete()
    held = live_holds(span).filter(driver_id=driver_id, held_at__lte=erasure.erased_at)
    # So here: the deletion of a user has these rows, and waits for `rewriting`.
    erase_places(driver_id, erasure.before, spans_of(held))
    with rewriting():
        holds = spans_of(held.all())
        fixes = remove(driver_id, span, holds)
        kept = sum(_has_fixes(driver_id, hold.since, min(hold.until, span.until)) for hold in holds)
    # Last: a match that is made from now on has none of the fixes.
    erase_matches(driver_id, erasure.before, holds)
    erase_visits(driver_id, erasure.before)
    erase_alerts(driver_id, erasure.before, holds)
    return Erased(fixes, kept, bool(deleted))


def _has_fixes(driver_id: DriverId, since: datetime, until: datetime) -> bool:
    """Return True if fixes are kept of this time, or may be in a damaged segment."""
    try:
        return any(read(driver_id, since, until))
    except CorruptSegment:
        return True


class ErasureFailed(Exception):
    """Raised after all erasures were applied if some failed. The next call applies them again."""


class Applied(NamedTuple):
    """The number of erasures that found something to delete, and of the fixes that they deleted."""

    erasures: int
    fixes: int


def apply_erasures() -> Applied:
    """Delete again what was erased, after a backup was restored or a hold released.

    Erasures are those in the database and those in the file TRACKING["ERASURE_LOG"]; each is added
    where it is missing, and so is each hold. Raise ErasureLogError, and at the end ErasureFailed if
    some failed.
    """
    reconcile()
    found, failed = [], []
    for erasure in _unapplied():
        try:
            result = _apply(erasure)
        except Error as error:
            logger.exception("The erasure of driver %s failed", erasure.driver_id)
            failed.append(f"driver {erasure.driver_id} ({error})")
            continue
        if result.fixes or result.location:
            found.append(result)
    applied = Applied(len(found), sum(result.fixes for result in found))
    if failed:
        raise ErasureFailed(f"{applied.erasures} applied again, not of {', '.join(failed)}")
    return applied


def _unapplied() -> QuerySet[HistoryErasure]:
    """Return the erasures of drivers of whom something older is there, be it held or not."""
    driver = OuterRef("driver_id")
    return (
        HistoryErasure.objects.using(history_db())
        .alias(
            hot=Subquery(_oldest(HistoryFix, driver)),
            packed=Subquery(_oldest(HistorySegment, driver)),
            located=Subquery(
                DriverLocation.objects.filter(pk=driver).values("recorded_at"),
            ),
            placed=Subquery(_oldest_place(driver)),
        )
        .filter(
            Q(hot__lt=F("before"))
            | Q(packed__lt=F("before"))
            | Q(located__lt=F("before"))
            | Q(placed__lt=F("before"))
            | Q(Exists(_older_matches(driver)))
        )
        .order_by("pk")
    )


def _oldest(model: type[Model], driver: Any) -> QuerySet[Any, Any]:
    """Return the query of the time of a driver's oldest fix, which each partition's index answers.

    The order is what makes PostgreSQL use the index: for one row of any, as in EXISTS, it may find
    it cheaper to search the tables, which takes long where there is none.
    """
    rows = model._default_manager.filter(driver_id=driver).order_by(PARTITIONED[model])
    return rows.values(_OLDEST[model])[:1]


def _oldest_place(driver: Any) -> QuerySet[Any, Any]:
    """Return the query of the time of the oldest state change whose place is kept."""
    rows = DriverStateChange.objects.filter(driver_id=driver, latitude__isnull=False)
    return rows.order_by("changed_at").values("changed_at")[:1]


def _older_matches(driver: Any) -> QuerySet[Any, Any]:
    """Return the query of the driver's trips whose matches are older than an erasure."""
    return TripAssignment.objects.filter(
        driver_id=driver,
        since__lt=OuterRef("before"),
        trip__match__distance__isnull=False,
        trip__match__claimed_at__lt=OuterRef("erased_at"),
    )


def erase_deleted_user(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Receive `post_delete` of the user model: erase the history of a deleted user.

    In the same transaction, unless the history is in another database: then after its commit, and
    a failure is logged, as the user cannot be restored. Nothing repeats it: call `erase` then.

    No fix that is being stored remains: its location refers to the user, so that its transaction is
    committed before the user is deleted, or fails.
    """
    driver_id = instance.serializable_value(get_user_model()._meta.pk.attname)
    if using == history_db():
        _erase_all(driver_id)
    else:

        def erase_after_commit() -> None:
            try:
                _erase_all(driver_id)
            except Exception:
                logger.exception(
                    "The history of driver %s, whose account is deleted, could not be erased. Call"
                    " tracking.history.erase",
                    driver_id,
                )

        transaction.on_commit(erase_after_commit, using=using)


def _erase_all(driver_id: DriverId) -> None:
    """Erase a driver's whole history, if there is any."""
    if any(_oldest(model, driver_id).using(history_db()) for model in PARTITIONED):
        erase(driver_id)
