"""The size of a fix on disk, hot and packed, as PostgreSQL reports it."""

from django.db import connections
from django.db.models import Model

from tracking.history.partitions import history_db


def add_up(model: type[Model], count: str = "count(*)") -> tuple[int, int]:
    """Return the bytes of all partitions, with their indexes and TOAST, and the number of fixes.

    `count` is the SQL for that number.
    """
    table = model._meta.db_table
    with connections[history_db()].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits"
            " WHERE inhparent = %s::regclass",
            [table],
        )
        (size,) = cursor.fetchone()
        cursor.execute(f"SELECT coalesce({count}, 0) FROM {table}")  # noqa: S608 - our own constants
        (fixes,) = cursor.fetchone()
    return int(size), int(fixes)


def vacuum(model: type[Model]) -> None:
    """Do what autovacuum does once rows were inserted, so that it does not run meanwhile."""
    with connections[history_db()].cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
