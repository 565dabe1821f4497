"""Queries for all drivers, called in database threads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.db.models.functions import Coalesce

from tracking.engine.database import any_of
from tracking.engine.times import time_of
from tracking.fix import Fix
from tracking.ids import DriverId, UserId
from tracking.models import DriverLocation, State
from tracking.people import NAME_FIELDS, active, full_name
from tracking.pipeline.duty import StateRow
from tracking.pipeline.rows import VALUES, snapshots_of
from tracking.states import on_duty

# Rows per query. At some 40 µs per row, other queries of the thread do not wait for long.
PAGE: Final = 500

# The times of a driver's last arrival and of the end of its connection.
Mark: TypeAlias = tuple[datetime, datetime | None]


def load_page(after: DriverId) -> list[tuple[Fix, str]]:
    """Return newest fix and name of up to `PAGE` active drivers above `after`, ordered by id.

    Some may be off duty, if a worker stored a fix just then: their states say so. To ask for that
    here took PostgreSQL 6 to 12 ms for each page of 100,000 drivers.
    """
    people = [f"driver__{field}" for field in (*NAME_FIELDS, get_user_model().USERNAME_FIELD)]
    rows = DriverLocation.objects.filter(active("driver"), pk__gt=after)
    # Without instances, which would take five times as long for 100,000 drivers.
    columns = rows.order_by("pk").values_list(*VALUES, *people)[:PAGE]
    width = len(VALUES)
    return [(Fix(*row[:width]), _name(row[width:])) for row in columns]


def _name(values: tuple[str, ...]) -> str:
    """Return what `full_name` does, from the fields of names and the log-in name."""
    *parts, username = values
    return " ".join(part for part in parts if part) or str(username)


def load_marks(since: datetime) -> Mapping[DriverId, Mark]:
    """Return the marks of drivers that sent a fix or departed at `since` or later.

    Reads the whole table, which takes PostgreSQL 10 ms for 100,000 drivers, and would take 45 ms
    with the conditions of `load_shown`. An index on times that change with every fix would cost
    more: 77 % of the updates were heap-only, and with it 1 %.
    """
    recent = DriverLocation.objects.filter(
        Q(received_at__gte=since) | Q(heard_at__gte=since) | Q(disconnected_at__gte=since)
    )
    heard = time_of(Coalesce("heard_at", "received_at"))
    rows = recent.values_list("driver_id", heard, time_of("disconnected_at"))
    return {driver_id: (heard_at, left_at) for driver_id, heard_at, left_at in rows}


def load_shown(driver_ids: list[DriverId]) -> Mapping[DriverId, Fix]:
    """Return the newest fixes of those of these drivers who are active and not off duty."""
    return snapshots_of(DriverLocation.objects.filter(active("driver"), on_duty()), driver_ids)


def load_free() -> list[tuple[Fix, StateRow]]:
    """Return the newest fix and the state of all active drivers who are available."""
    rows = DriverLocation.objects.filter(
        active("driver"), driver__driver_state__state=State.AVAILABLE
    )
    states = [f"driver__driver_state__{field}" for field in StateRow._fields]
    width = len(VALUES)
    return [
        (Fix(*row[:width]), StateRow(*row[width:]))
        for row in rows.values_list(*VALUES, *states).iterator(PAGE)
    ]


def load_names(user_ids: list[UserId]) -> Mapping[UserId, str]:
    """Return the names of the users that exist and are active, by id."""
    model = get_user_model()
    users = model._default_manager.filter(active(), pk__in=any_of(user_ids, model))
    return {user.pk: full_name(user) for user in users}
