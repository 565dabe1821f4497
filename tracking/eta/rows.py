"""Trips and their times of arrival, in the database: read, and stored with their events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import router, transaction

from tracking import events
from tracking.engine.database import any_of
from tracking.ids import DriverId
from tracking.models import Event, EventType, Trip, TripEta
from tracking.protocol import format_time

# A trip is computed at most once in this time, by all workers together.
INTERVAL: Final = timedelta(seconds=20)
# An arrival that moves by more than this is an event.
TOLD_AFTER: Final = timedelta(seconds=120)

_FIELDS: Final = (
    "driver",
    "waypoint",
    "arrives_at",
    "distance",
    "confidence",
    "computed_at",
    "announced_at",
)


class Computed(NamedTuple):
    """A stored time of arrival: of whom, at which waypoint, and when it was computed."""

    driver_id: DriverId
    waypoint: int
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class Estimate:
    """A computed time of arrival at the waypoint with a number and a kind.

    `route` is None if the stored one is still right.
    """

    trip_id: int
    driver_id: DriverId
    waypoint: int
    kind: str
    arrives_at: datetime
    distance: float
    confidence: str
    computed_at: datetime
    route: str | None


class Outcome(NamedTuple):
    """The trips whose estimates are stored now, and those that another transaction has locked."""

    stored: list[int]
    locked: list[int]


def load_computed(trip_ids: list[int]) -> Mapping[int, Computed]:
    """Return the stored times of arrival of these trips."""
    rows = TripEta.objects.filter(pk__in=any_of(trip_ids, TripEta))
    return {row[0]: Computed(*row[1:]) for row in rows.values_list("pk", *Computed._fields)}


def load_routes(trip_ids: list[int]) -> Mapping[int, str]:
    """Return the stored routes of these trips."""
    rows = TripEta.objects.filter(pk__in=any_of(trip_ids, TripEta)).exclude(route="")
    return dict(rows.values_list("pk", "route"))


def store(estimates: Mapping[int, Estimate]) -> Outcome:
    """Store estimates by trip, and the events of those that moved.

    The database decides: an estimate of a trip that has ended or has another driver, or for which
    another worker was first, changes nothing.
    """
    using = router.db_for_write(Trip)
    with transaction.atomic(using):
        rows = Trip.objects.using(using).filter(pk__in=list(estimates), ended_at=None)
        # In one order everywhere, and without waiting for whoever changes a trip.
        free = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
        trips = {trip.pk: trip for trip in free.only("reference", "driver_id", "event_count")}
        locked: list[int] = []
        if missing := estimates.keys() - trips.keys():
            locked = list(rows.filter(pk__in=missing).values_list("pk", flat=True))
        etas = TripEta.objects.using(using).defer("route")
        known = etas.in_bulk(list(trips))
        with_route: list[TripEta] = []
        others: list[TripEta] = []
        happened: list[Event] = []
        stored: list[int] = []
        for pk, trip in trips.items():
            estimate, former = estimates[pk], known.get(pk)
            if trip.driver_id != estimate.driver_id:
                continue
            if former is not None and former.driver_id == estimate.driver_id:
                if former.computed_at == estimate.computed_at:  # stored before a lost answer
                    stored.append(pk)
                    continue
                if not _replaces(estimate, former):
                    continue
            else:
                former = None
            row, event = _compare(trip, estimate, former)
            if event is not None:
                happened.append(event)
            is_kept = former is not None and estimate.route is None
            (others if is_kept else with_route).append(row)
            stored.append(pk)
        _upsert(others, _FIELDS, using)
        _upsert(with_route, (*_FIELDS, "route"), using)
        if happened:
            changed = {event.trip_id for event in happened}
            Trip.objects.using(using).bulk_update(
                [trips[pk] for pk in trips if pk in changed], ["event_count"]
            )
            events.store(happened)
    return Outcome(stored, locked)


def _replaces(estimate: Estimate, former: TripEta) -> bool:
    """Return True if an estimate is newer, and not too soon after another worker's."""
    if estimate.computed_at < former.computed_at:
        return False
    if (
        estimate.waypoint != former.waypoint
        or estimate.computed_at - former.computed_at >= INTERVAL
    ):
        return True
    # The line was owed, or the car has taken another way.
    return bool(estimate.route)


def _compare(
    trip: Trip, estimate: Estimate, former: TripEta | None
) -> tuple[TripEta, Event | None]:
    """Return the new row, and the event if the arrival has moved since the last one."""
    told = None
    if former is not None and former.waypoint == estimate.waypoint:
        told = former.announced_at
    row = TripEta(
        trip_id=estimate.trip_id,
        driver_id=estimate.driver_id,  # type: ignore[misc]  # the demo's ids are integers
        waypoint=estimate.waypoint,
        arrives_at=estimate.arrives_at,
        distance=estimate.distance,
        confidence=estimate.confidence,
        computed_at=estimate.computed_at,
        route=estimate.route or "",
        announced_at=told or estimate.arrives_at,
    )
    if told is None or abs(estimate.arrives_at - told) <= TOLD_AFTER:
        return row, None
    row.announced_at = estimate.arrives_at
    seconds = (estimate.arrives_at - estimate.computed_at).total_seconds()
    event = events.of_trip(
        trip,
        EventType.TRIP_ETA_CHANGED,
        estimate.computed_at,
        estimate.driver_id,
        waypoint=estimate.kind,
        number=estimate.waypoint,
        arrives_at=format_time(estimate.arrives_at),
        seconds=round(seconds),
        confidence=estimate.confidence,
        previous_arrives_at=format_time(told),
    )
    return row, event


def _upsert(rows: list[TripEta], fields: Sequence[str], using: str) -> None:
    if rows:
        TripEta.objects.using(using).bulk_create(
            rows, update_conflicts=True, unique_fields=["trip"], update_fields=fields
        )
