"""Erasure of one driver's history, which leaves a tombstone that later writes and backups obey."""

from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.db.models import F, Model, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from tracking.conf import conf
from tracking.history import erasure_log
from tracking.history.erasure_log import line_of
from tracking.history.partitions import PARTITIONED, history_db, rewriting
from tracking.history.reading import read
from tracking.history.removal import remove
from tracking.history.retention import user_id
from tracking.history.rows import Span, live_holds, spans_of
from tracking.ids import DriverId, UserId
from tracking.models import DriverLocation, HistoryErasure, HistoryFix, HistorySegment

# Before any fix.
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

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

    The last known location is deleted too, if it was recorded before that. The erasure is stored,
    and added to the file TRACKING["ERASURE_LOG"], so that neither a late upload nor a restored
    backup brings anything back. Holds that are made later do not protect from it. A part that is
    held is deleted by `tracking_maintain` after its release. The audit trail stays. `by` is the
    user who asks for it; it is stored.

    Raise ErasureLogError if the file cannot be written, before anything is deleted, and ValueError
    for a time without a time zone. In a transaction of the caller, the line is written on commit.
    """
    now = timezone.now()
    if before is not None and timezone.is_naive(before):
        raise ValueError("A time needs a time zone.")
    erasure = HistoryErasure(  # type: ignore[misc]  # the demo's ids are integers
        driver_id=driver_id,
        before=now if before is None else min(before, now),
        erased_at=now,
        erased_by_id=user_id(by),
    )
    using = history_db()
    if connections[using].in_atomic_block:
        # A transaction that is rolled back must leave no line.
        erasure_log.append([])
        transaction.on_commit(partial(erasure_log.append, [line_of(erasure)]), using=using)
    else:
        erasure_log.append([line_of(erasure)])
    return _apply(erasure)


def _apply(erasure: HistoryErasure) -> Erased:
    """Delete what an erasure concerns, and store it if it is new."""
    using, driver_id = history_db(), erasure.driver_id
    span = Span(BEGINNING, erasure.before)
    with transaction.atomic(using):
        # Those who store a fix of this driver begin with this row. They have committed it, or will
        # see the tombstone.
        location = DriverLocation.objects.using(using).filter(pk=driver_id)
        list(location.select_for_update().values_list("pk"))
        with rewriting():
            if erasure.pk is None:
                erasure.save(using=using)
            holds = live_holds(span).filter(driver_id=driver_id, held_at__lte=erasure.erased_at)
            fixes = remove(driver_id, span, spans_of(holds))
            deleted, _ = location.filter(recorded_at__lt=erasure.before).delete()
            kept = sum(
                any(read(driver_id, hold.since, min(hold.until, span.until))) for hold in holds
            )
    return Erased(fixes, kept, bool(deleted))


class Applied(NamedTuple):
    """The number of erasures that found something to delete, and of the fixes that they deleted."""

    erasures: int
    fixes: int


def apply_erasures() -> Applied:
    """Delete again what was erased, after a backup was restored or a hold released.

    Erasures are those in the database and those in the file TRACKING["ERASURE_LOG"]; each is added
    where it is missing. Raise ErasureLogError.
    """
    _reconcile()
    results = [_apply(erasure) for erasure in _unapplied()]
    found = [result for result in results if result.fixes or result.location]
    return Applied(len(found), sum(result.fixes for result in found))


def _reconcile() -> None:
    """Add each erasure that only the file or only the database has to the other one."""
    if not conf.ERASURE_LOG:
        return
    in_file = erasure_log.read()
    erasures = HistoryErasure.objects.using(history_db())
    with rewriting():
        in_database = {line_of(erasure) for erasure in erasures.iterator()}
        erasures.bulk_create(
            HistoryErasure(driver_id=line.driver_id, before=line.before, erased_at=line.erased_at)  # type: ignore[misc]  # as above
            for line in in_file - in_database
        )
    if missing := in_database - in_file:
        erasure_log.append(missing)


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
        )
        .filter(Q(hot__lt=F("before")) | Q(packed__lt=F("before")) | Q(located__lt=F("before")))
        .order_by("pk")
    )


def _oldest(model: type[Model], driver: Any) -> QuerySet[Any, Any]:
    """Return the query of the time of a driver's oldest fix, which each partition's index answers.

    The order is what makes PostgreSQL use the index: for one row of any, as in EXISTS, it may find
    it cheaper to search the tables, which takes long where there is none.
    """
    rows = model._default_manager.filter(driver_id=driver).order_by(PARTITIONED[model])
    return rows.values(_OLDEST[model])[:1]


def erase_deleted_user(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Receive `post_delete` of the user model: erase the history of a deleted user.

    In the same transaction, unless the history is in another database: then after its commit, and
    a failure is logged, as the user cannot be restored.
    """
    driver_id = instance.serializable_value(get_user_model()._meta.pk.attname)
    if using == history_db():
        _erase_all(driver_id)
    else:

        def erase_after_commit() -> None:  # a robust callback needs a name: no `partial`
            _erase_all(driver_id)

        transaction.on_commit(erase_after_commit, using=using, robust=True)


def _erase_all(driver_id: DriverId) -> None:
    """Erase a driver's whole history, if there is any."""
    if any(_oldest(model, driver_id).using(history_db()) for model in PARTITIONED):
        erase(driver_id)
