"""Adding to the database and to TRACKING["ERASURE_LOG"] what only the other one has."""

from collections.abc import Iterable

from msgspec.structs import replace

from tracking.conf import conf
from tracking.history import erasure_log
from tracking.history.erasure_log import HoldLine, Line, line_of, line_of_hold
from tracking.history.partitions import history_db, rewriting
from tracking.models import HistoryErasure, HistoryHold


def reconcile() -> None:
    """Add each erasure, hold and release that is missing. Idempotent. Raise ErasureLogError.

    After a backup was restored, the holds that the file has protect from the erasures that came
    after them, and those that it says were released no longer do.
    """
    if not conf.ERASURE_LOG:
        return
    in_file = erasure_log.read()
    with rewriting():
        in_database: set[Line | HoldLine] = {
            *_restore_holds(line for line in in_file if isinstance(line, HoldLine)),
            *_restore_erasures({line for line in in_file if isinstance(line, Line)}),
        }
    if missing := in_database - in_file:
        erasure_log.append(missing)


def _restore_erasures(in_file: set[Line]) -> set[Line]:
    """Return the lines of the erasures in the database, after adding those of the file."""
    erasures = HistoryErasure.objects.using(history_db())
    in_database = {line_of(erasure) for erasure in erasures.iterator()}
    erasures.bulk_create(
        HistoryErasure(driver_id=line.driver_id, before=line.before, erased_at=line.erased_at)  # type: ignore[misc]  # the demo's ids are integers
        for line in in_file - in_database
    )
    return in_database


def _restore_holds(in_file: Iterable[HoldLine]) -> set[HoldLine]:
    """Return the lines of the holds in the database, after adding those of the file."""
    holds = HistoryHold.objects.using(history_db())
    stored = {replace(line_of_hold(hold), released_at=None): hold for hold in holds.iterator()}
    # A release comes after the line of its hold.
    for line in sorted(in_file, key=lambda line: line.released_at is not None):
        made = replace(line, released_at=None)
        hold = stored.get(made)
        if hold is None:
            stored[made] = holds.create(  # type: ignore[misc]  # as above
                reference=line.hold,
                driver_id=line.driver_id,
                since=line.since,
                until=line.until,
                held_at=line.held_at,
                released_at=line.released_at,
            )
        elif hold.released_at is None and line.released_at is not None:
            hold.released_at = line.released_at
            hold.save(using=history_db(), update_fields=["released_at"])
    return {line_of_hold(hold) for hold in stored.values()}
