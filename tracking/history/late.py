"""Late fixes: those inserted into a day's partition while that day is being packed. PostgreSQL.

Before the first hour is read, the partition gets a trigger that notes the key of each fix inserted
from then on. So a day may be dropped once all its hours and all noted fixes are packed, and finding
that out takes no count of millions of rows, during which nobody could write. The partition of a day
that is written to all the time never has the trigger.

The table of keys, the function and the trigger have one name. A drop of the partition removes them.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime

from django.db import connections

from tracking.history.partitions import (
    change_partition,
    history_db,
    late_name,
    partition_name,
)
from tracking.ids import DriverId
from tracking.models import HistoryFix


def start_noting(day: date) -> bool:
    """Have the keys noted of all fixes inserted into a day's partition from now on. Idempotent.

    When it returns, no transaction is left that inserted any before. Return False if others use the
    partition for so long that it must wait.
    """
    quote = connections[history_db()].ops.quote_name
    name, late = quote(partition_name(HistoryFix, day)), quote(late_name(HistoryFix, day))

    def change(execute: Callable[[str], None]) -> bool:
        execute(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")
        execute(
            f"CREATE TABLE IF NOT EXISTS {late} AS"  # noqa: S608 - names of our own
            f" SELECT driver_id, recorded_at FROM {name} WITH NO DATA"
        )
        note = f"INSERT INTO {late} VALUES (NEW.driver_id, NEW.recorded_at)"  # noqa: S608
        execute(
            f"CREATE OR REPLACE FUNCTION {late}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$BEGIN {note}; RETURN NULL; END$$"
        )
        execute(
            f"CREATE OR REPLACE TRIGGER {late} AFTER INSERT ON {name}"
            f" FOR EACH ROW EXECUTE FUNCTION {late}()"
        )
        return True

    return change_partition(HistoryFix, day, change)


def take_noted(day: date, limit: int) -> list[tuple[DriverId, datetime]]:
    """Return the keys of up to `limit` noted fixes, and remove them from the notes."""
    connection = connections[history_db()]
    late = connection.ops.quote_name(late_name(HistoryFix, day))
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {late} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {late} LIMIT %s))"  # noqa: S608
            " RETURNING driver_id, recorded_at",
            [limit],
        )
        noted: list[tuple[DriverId, datetime]] = cursor.fetchall()
    return noted


def put_back(day: date, keys: Sequence[tuple[DriverId, datetime]]) -> None:
    """Note keys again that were taken in the same transaction."""
    connection = connections[history_db()]
    late = connection.ops.quote_name(late_name(HistoryFix, day))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {late} VALUES (%s, %s)", keys)  # noqa: S608


def has_noted(day: date) -> bool:
    """Return True if any noted fix was not taken."""
    connection = connections[history_db()]
    late = connection.ops.quote_name(late_name(HistoryFix, day))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {late})")  # noqa: S608
        (found,) = cursor.fetchone()
    return bool(found)
