"""Queries for all drivers, called in database threads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from django.contrib.auth import get_user_model
from django.db.models import Q

from tracking.engine.database import any_of
from tracking.fix import Fix
from tracking.ids import DriverId, UserId
from tracking.models import DriverLocation
from tracking.people import NAME_FIELDS, active, full_name
from tracking.pipeline.rows import COLUMNS, fix_of

# Rows per query. At some 30 µs per row, other queries of the thread do not wait for long.
PAGE: Final = 1_000

# The times of a driver's last arrival and of the end of its connection.
Mark: TypeAlias = tuple[datetime, datetime | None]


def load_page(after: DriverId) -> list[tuple[Fix, str]]:
    """Return newest fix and name of up to `PAGE` active drivers above `after`, ordered by id."""
    people = [f"driver__{field}" for field in (*NAME_FIELDS, get_user_model().USERNAME_FIELD)]
    rows = DriverLocation.objects.select_related("driver").only(*COLUMNS, *people)
    return [
        (fix_of(row), full_name(row.driver))
        for row in rows.filter(active("driver"), pk__gt=after).order_by("pk")[:PAGE]
    ]


def load_marks(since: datetime) -> Mapping[DriverId, Mark]:
    """Return the marks of active drivers that sent a fix or departed at `since` or later.

    Reads the whole table, which takes PostgreSQL 1.5 ms for 10,000 drivers. An index on times that
    change with every fix would cost more: 77 % of the updates were heap-only, and with it 1 %.
    """
    recent = DriverLocation.objects.filter(
        Q(received_at__gte=since) | Q(heard_at__gte=since) | Q(disconnected_at__gte=since),
        active("driver"),
    )
    rows = recent.values_list("driver_id", "received_at", "heard_at", "disconnected_at")
    return {
        driver_id: (heard_at or received_at, left_at)
        for driver_id, received_at, heard_at, left_at in rows
    }


def load_names(user_ids: list[UserId]) -> Mapping[UserId, str]:
    """Return the names of the users that exist and are active, by id."""
    model = get_user_model()
    users = model._default_manager.filter(active(), pk__in=any_of(user_ids, model))
    return {user.pk: full_name(user) for user in users}
