"""The partitions of the history on PostgreSQL: one per day, in UTC.

None of these statements takes a lock that stops writes: a new partition is attached, which
conflicts with no INSERT (SHARE UPDATE EXCLUSIVE), and there is no default partition, which each
ATTACH would have to scan. On SQLite the tables are plain, and these functions do nothing.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import connections, router, transaction
from django.db.models import Model

from tracking.engine.database import sqlstate
from tracking.models import DriverLocation, HistoryFix, HistorySegment

logger = logging.getLogger(__name__)

# The tables, and the column that each is partitioned by.
PARTITIONED: Final[dict[type[Model], str]] = {HistoryFix: "recorded_at", HistorySegment: "hour"}

DAY: Final = timedelta(days=1)

# The second key of PostgreSQL's advisory locks of the history: for the partitions of a table.
LOCK_SPACE: Final = 0x7472_6163  # "trac"
PARTITIONS_LOCK: Final = 1


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
    column = quote(PARTITIONED[model])
    first, next_first = start_of(day).isoformat(), start_of(day + DAY).isoformat()
    with transaction.atomic(history_db()), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, PARTITIONS_LOCK])
        if day in existing_days(model):
            return False  # another process was first
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {parent} INCLUDING DEFAULTS)")
        # With this constraint, ATTACH does not scan the table.
        cursor.execute(
            f"ALTER TABLE {name} ADD CONSTRAINT {quote('of_day')}"
            f" CHECK ({column} >= '{first}' AND {column} < '{next_first}')"
        )
        cursor.execute(
            f"ALTER TABLE {parent} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{first}') TO ('{next_first}')"
        )
        cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT {quote('of_day')}")
    return True


def is_partition_missing(error: BaseException) -> bool:
    """Return True if an INSERT failed because its day has no partition."""
    return sqlstate(error) == "23514" and "no partition of relation" in str(error)
