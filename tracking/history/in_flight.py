"""Statements that write locations and fixes while something else changes. PostgreSQL."""

import time
from typing import Final

from django.db import connections

from tracking.history.partitions import history_db, is_partitioned
from tracking.models import DriverLocation, HistoryFix

# Seconds after which `wait_for_writers` gives up. Longer than a worker waits for a lock, 15 s.
TIMEOUT: Final = 20.0
# Seconds between two queries. A worker's statement takes a few milliseconds.
INTERVAL: Final = 0.005

_OPEN: Final = (
    "SELECT virtualtransaction FROM pg_locks"
    " WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation IN (%s::regclass, %s::regclass) AND mode = 'RowExclusiveLock' AND granted"
)


def wait_for_writers() -> bool:
    """Return True once all statements have ended that may not see what is committed by now.

    Return False after `TIMEOUT`. To be called outside of a transaction. Nobody waits for this.

    An INSERT locks its table, in a mode that conflicts with no other writer's, before it takes its
    snapshot, and until its transaction ends. So a statement whose snapshot is older than a commit
    has such a lock after the commit, or has ended. Those that begin later need no waiting for.
    """
    if not is_partitioned():
        return True  # SQLite has one writing transaction at a time.
    deadline = time.monotonic() + TIMEOUT
    earlier = _writers()
    while earlier:
        if time.monotonic() >= deadline:
            return False
        time.sleep(INTERVAL)
        earlier &= _writers()
    return True


def _writers() -> set[str]:
    """Return the transactions that write locations or fixes; each has a number of its own."""
    tables = [DriverLocation._meta.db_table, HistoryFix._meta.db_table]
    with connections[history_db()].cursor() as cursor:
        cursor.execute(_OPEN, tables)
        return {transaction for (transaction,) in cursor.fetchall()}
