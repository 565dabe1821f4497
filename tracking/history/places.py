"""Places beside the fixes: of changes of drivers' states, of shifts, and the waypoints of trips.

They are cleared when they expire or are erased. The change and the trip stay.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import router, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from tracking.conf import conf
from tracking.history.partitions import day_of, history_db, start_of
from tracking.history.rows import Span
from tracking.ids import DriverId
from tracking.models import (
    DriverState,
    DriverStateChange,
    HistoryHold,
    State,
    Trip,
    TripAssignment,
)
from tracking.states import SHIFTS

# Rows of one transaction: 500 take PostgreSQL about 15 ms. Nobody else writes such old rows.
BATCH_SIZE: Final = 500

_BEGINS: Final = Q(previous__in=("", State.NON_OPERATIONAL)) & ~Q(state=State.NON_OPERATIONAL)


def erase_places(driver_id: DriverId, before: datetime, keep: Sequence[Span]) -> int:
    """Clear the places of a driver's state changes before a time, except in `keep`.

    Return their number. The places where shifts began and ended before that time are cleared too.
    """
    using = router.db_for_write(DriverState)
    every = DriverStateChange.objects.using(using).filter(
        driver_id=driver_id,  # type: ignore[misc]  # the demo's ids are integers
        latitude__isnull=False,
    )
    old = every.filter(changed_at__lt=before)
    for span in keep:
        old = old.exclude(changed_at__gte=span.since, changed_at__lt=span.until)
    with transaction.atomic(using):
        # The state first, as `tracking.states` locks it.
        states = DriverState.objects.using(using).select_for_update()
        state = states.filter(pk=driver_id).first()  # type: ignore[misc]  # as above
        cleared = old.update(latitude=None, longitude=None)
        if state is not None:
            _keep_later_shifts(state, every.filter(changed_at__gte=before))
    return cleared


def _keep_later_shifts(state: DriverState, changes: QuerySet[DriverStateChange]) -> None:
    """Set the places of shifts to those of these changes, which are later than what is erased."""
    places = changes.order_by("-changed_at", "-pk").values_list("latitude", "longitude")
    begun = places.filter(_BEGINS).first()
    ended = places.filter(state=State.NON_OPERATIONAL)[:SHIFTS]
    began_at, ended_at = None if begun is None else list(begun), [list(place) for place in ended]
    if (state.shift_began_at, state.shifts_ended_at) != (began_at, ended_at):
        state.shift_began_at, state.shifts_ended_at = began_at, ended_at
        state.save(update_fields=["shift_began_at", "shifts_ended_at"])


class Expired(NamedTuple):
    """The numbers of state changes, trips and drivers whose places have expired."""

    changes: int
    trips: int
    drivers: int


def expire_places() -> Expired:
    """Clear the places of whole days that ended HISTORY_DAYS ago or earlier, except what is held.

    Those are the places of state changes, the waypoints of trips that ended, and the places of the
    shifts of drivers whose state has not changed since. Nothing is cleared if HISTORY_DAYS is 0.
    """
    if not conf.HISTORY_DAYS:
        return Expired(0, 0, 0)
    now = timezone.now()
    limit = start_of(day_of(now - timedelta(days=conf.HISTORY_DAYS)))
    changes = _rows(DriverStateChange).filter(changed_at__lt=limit, latitude__isnull=False)
    trips = _rows(Trip).filter(ended_at__lt=limit, waypoints_deleted_at=None)
    drivers = _rows(DriverState).filter(since__lt=limit)
    with_shifts = Q(shift_began_at__isnull=False) | ~Q(shifts_ended_at=[])
    return Expired(
        _clear(
            changes.exclude(_held_at("changed_at")), "changed_at", latitude=None, longitude=None
        ),
        _clear(trips.exclude(held()), "ended_at", waypoints=[], waypoints_deleted_at=now),
        _clear(drivers.filter(with_shifts), "pk", shift_began_at=None, shifts_ended_at=[]),
    )


def clear_deleted_rider(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Receive `pre_delete` of the user model: clear the waypoints of trips that were its alone.

    Those of trips that have not ended are left to expiry, as their drivers need them, and so are
    those that are held.
    """
    riders = Trip.riders.through._default_manager.using(router.db_for_write(Trip))
    rider = {Trip.riders.field.m2m_reverse_name(): instance.pk}
    others = riders.filter(trip=OuterRef("pk")).exclude(**rider)
    trips = _rows(Trip).filter(pk__in=riders.filter(**rider).values("trip"))
    trips = trips.filter(ended_at__isnull=False, waypoints_deleted_at=None)
    alone = trips.exclude(Exists(others))
    if alone.exists():  # most users are no riders
        now = timezone.now()
        alone.exclude(held()).update(waypoints=[], waypoints_deleted_at=now)


def _rows(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.using(router.db_for_write(model))


def _held_at(column: str) -> Exists:
    """Return the condition that a driver's row is of a time that is held."""
    return Exists(
        _holds().filter(
            driver_id=OuterRef("driver_id"), since__lte=OuterRef(column), until__gt=OuterRef(column)
        )
    )


def held() -> Q:
    """Return the condition that a trip is held: by its reference, or a part of its time."""
    of_driver = _holds().filter(
        driver_id=OuterRef("driver_id"), since__lt=OuterRef("until"), until__gt=OuterRef("since")
    )
    times = TripAssignment.objects.filter(Exists(of_driver), trip=OuterRef("pk"))
    named = _holds().filter(reference=OuterRef("reference"))
    return Q(Exists(named)) | Q(Exists(times))


def _holds() -> QuerySet[HistoryHold]:
    return HistoryHold.objects.using(history_db()).filter(released_at=None)


def _clear(rows: QuerySet[Any], order: str, **values: object) -> int:
    """Update rows that are in the query until then, in batches; return their number.

    Rows that others have locked are left to the next run.
    """
    using, cleared = rows.db, 0
    # The planner uses the partial index for this order.
    rows = rows.order_by(order)
    while True:
        with transaction.atomic(using):
            batch = rows.select_for_update(skip_locked=True, of=("self",))
            keys = list(batch.values_list("pk", flat=True)[:BATCH_SIZE])
            if keys:
                _rows(rows.model).filter(pk__in=keys).update(**values)
        cleared += len(keys)
        if len(keys) < BATCH_SIZE:
            return cleared
