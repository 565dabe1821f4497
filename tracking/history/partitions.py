"""The partitions of the history on PostgreSQL: one per day, in UTC.

Creating one takes no lock that stops writes: a new partition is attached, which conflicts with no
INSERT (SHARE UPDATE EXCLUSIVE), and there is no default partition, which each ATTACH would have to
scan. Dropping one takes a lock that stops everything, so it waits for that lock only briefly, and
then lets others go first. On SQLite the tables are plain, and there is nothing to create or drop.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import Error, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from tracking.engine.database import sqlstate
from tracking.ids import DriverId
from tracking.models import DriverLocation, HistoryFix, HistorySegment

# The tables, and the column that each is partitioned by.
PARTITIONED: Final[dict[type[Model], str]] = {HistoryFix: "recorded_at", HistorySegment: "hour"}

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)

# The first key of PostgreSQL's advisory locks of the history, and the second ones: for creating
# partitions, for rewriting what is kept, and for a run of `tracking_maintain`.
LOCK_SPACE: Final = 0x7472_6163  # "trac"
PARTITIONS_LOCK: Final = 1
REWRITE_LOCK: Final = 2
MAINTENANCE_LOCK: Final = 3

# "Lock not available", which is a timeout, and "deadlock detected".
_LOCKED: Final = {"55P03", "40P01"}

# Milliseconds that a change of a partition waits for a lock that stops others, who queue behind it
# meanwhile; seconds until it tries again; and how often it does.
LOCK_TIMEOUT: Final = 200
PAUSE: Final = 1.0
ATTEMPTS: Final = 10
# Milliseconds that it waits for a lock that only VACUUM conflicts with. An autovacuum is cancelled
# by PostgreSQL after `deadlock_timeout`, a second by default.
VACUUM_TIMEOUT: Final = 3_000


def history_db() -> str:
    """Return the alias of the database of the history: that of the last known locations."""
    alias: str = router.db_for_write(DriverLocation)
    return alias


def day_of(at: datetime) -> date:
    """Return the day in UTC of an aware time."""
    return at.astimezone(UTC).date()


def start_of(day: date) -> datetime:
    """Return the first moment of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def partition_name(model: type[Model], day: date) -> str:
    """Return the name of the table that holds a day's rows."""
    return f"{model._meta.db_table}_{day:%Y%m%d}"


def is_partitioned() -> bool:
    """Return True if the history's tables have partitions: on PostgreSQL."""
    return connections[history_db()].vendor == "postgresql"


@contextmanager
def rewriting() -> Iterator[None]:
    """Run a transaction that changes what is kept, one at a time over all processes.

    So an erasure, a hold and a batch of packed hours each see what the others have committed.
    Inserts of fixes do not take part. SQLite has one writing transaction at a time anyway.
    """
    using = history_db()
    with transaction.atomic(using):
        if is_partitioned():
            with connections[using].cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, REWRITE_LOCK])
        yield


@contextmanager
def extra_connection() -> Iterator[BaseDatabaseWrapper]:
    """Open another connection to the history's database, in a transaction, and close it."""
    connection = connections[history_db()].copy()
    # A pool may be too small for a second connection of one thread.
    connection.settings_dict["OPTIONS"].pop("pool", None)
    try:
        connection.set_autocommit(False)
        yield connection
    finally:
        connection.close()


def existing_days(model: type[Model]) -> list[date]:
    """Return the days that have a partition, in order."""
    if not is_partitioned():
        return []
    with connections[history_db()].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = %s::regclass",
            [model._meta.db_table],
        )
        names = [name for (name,) in cursor.fetchall()]
    days = []
    for name in names:
        with suppress(ValueError):  # a partition that an operator made
            days.append(datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date())
    return sorted(days)


def days_of(model: type[Model]) -> list[date]:
    """Return the days that may have rows, in order."""
    if is_partitioned():
        return existing_days(model)
    connection = connections[history_db()]
    column, table = map(connection.ops.quote_name, (PARTITIONED[model], model._meta.db_table))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT substr({column}, 1, 10) FROM {table} ORDER BY 1")  # noqa: S608
        return [date.fromisoformat(day) for (day,) in cursor.fetchall()]


def drivers_of(model: type[Model], day: date) -> list[DriverId]:
    """Return the drivers that have rows of a day, in order."""
    column = PARTITIONED[model]
    rows = model._default_manager.using(history_db()).filter(
        **{f"{column}__gte": start_of(day), f"{column}__lt": start_of(day + DAY)}
    )
    return list(rows.order_by("driver_id").values_list("driver_id", flat=True).distinct())


def create_days(model: type[Model], days: Iterable[date]) -> list[date]:
    """Create the partitions of these days that are missing, and return their days. Idempotent."""
    wanted = set(days)
    if not is_partitioned() or not wanted:
        return []
    created = []
    for day in sorted(wanted.difference(existing_days(model))):
        if _create(model, day):
            created.append(day)
    return created


def _create(model: type[Model], day: date) -> bool:
    connection = connections[history_db()]
    quote = connection.ops.quote_name
    parent, name = quote(model._meta.db_table), quote(partition_name(model, day))
    first, next_first = start_of(day).isoformat(), start_of(day + DAY).isoformat()
    with transaction.atomic(history_db()), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, PARTITIONS_LOCK])
        if day in existing_days(model):
            return False  # another process was first
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {parent} INCLUDING DEFAULTS)")
        cursor.execute(
            f"ALTER TABLE {parent} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{first}') TO ('{next_first}')"
        )
    return True


def drop_day(
    model: type[Model],
    day: date,
    *,
    prepare: Callable[[], None] = lambda: None,
    is_droppable: Callable[[], bool] = lambda: True,
) -> bool:
    """Drop a day's partition; return False if others use it for so long that it must wait.

    `prepare` is called before each attempt. `is_droppable` is called when nobody else can read or
    write the table any more, so it should take milliseconds. If it returns False, the attempt has
    failed.
    """
    if day not in existing_days(model):
        return True
    quote = connections[history_db()].ops.quote_name
    name, late = quote(partition_name(model, day)), quote(late_name(model, day))

    def change(execute: Callable[[str], None]) -> bool:
        # The parent first, as those who read and write do.
        execute(f"LOCK TABLE ONLY {quote(model._meta.db_table)} IN ACCESS EXCLUSIVE MODE")
        execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        if not is_droppable():
            return False
        execute(f"DROP TABLE {name}")
        execute(f"DROP FUNCTION IF EXISTS {late}")
        execute(f"DROP TABLE IF EXISTS {late}")
        return True

    return change_partition(model, day, change, prepare)


def late_name(model: type[Model], day: date) -> str:
    """Return the name of the table, function and trigger of `tracking.history.late`."""
    return f"{partition_name(model, day)}_late"


def change_partition(
    model: type[Model],
    day: date,
    change: Callable[[Callable[[str], None]], bool],
    prepare: Callable[[], None] = lambda: None,
) -> bool:
    """Call `change(execute)` in a transaction in which no statement waits long for a lock.

    Return True as soon as it returns True. While it returns False or gets no lock, it is repeated,
    `ATTEMPTS` times in all. `prepare` is called before each of them.
    """
    quote = connections[history_db()].ops.quote_name
    name = quote(partition_name(model, day))
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        prepare()
        try:
            with transaction.atomic(history_db()), connections[history_db()].cursor() as cursor:
                # An autovacuum must end before others have to wait for us.
                cursor.execute(f"SET LOCAL lock_timeout = {VACUUM_TIMEOUT}")
                cursor.execute(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")
                with rewriting():
                    cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}")
                    if change(cursor.execute):
                        return True
        except Error as error:
            if sqlstate(error) not in _LOCKED:
                raise
    return False


def is_partition_missing(error: BaseException) -> bool:
    """Return True if an INSERT failed because its day has no partition.

    Its SQLSTATE is that of a CHECK, which has a name. The message may be in any language.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    return sqlstate(error) == "23514" and getattr(diagnosis, "constraint_name", None) is None
