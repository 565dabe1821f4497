"""Steps at waypoints, and visits to zones, in the database: read, and stored with their events."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, router, transaction
from django.db.models import Count, Max, Sum

from tracking import events
from tracking.arrival.effects import Crossed, Effect, Reached
from tracking.arrival.zones import Shape, ZoneIndex
from tracking.drives import Drive, load_drives
from tracking.engine.database import any_of
from tracking.ids import DriverId
from tracking.models import Event, EventType, Trip, TripAssignment, Zone, ZoneVisit
from tracking.protocol import format_time

logger = logging.getLogger(__name__)

_SHAPE: Final = tuple(field.name for field in fields(Shape))
_STEPS: Final = {
    "arriving": EventType.WAYPOINT_ARRIVING,
    "arrived": EventType.WAYPOINT_ARRIVED,
    "departed": EventType.WAYPOINT_DEPARTED,
}


class Whereabouts(NamedTuple):
    """A driver's open trip, if any, and the zones in which it is."""

    drive: Drive | None
    zones: frozenset[int]


def load_whereabouts(driver_ids: list[DriverId]) -> Mapping[DriverId, Whereabouts]:
    """Return the trips and zones of all these drivers."""
    drives = load_drives(driver_ids)
    zones: defaultdict[Any, set[int]] = defaultdict(set)
    visits = ZoneVisit.objects.filter(driver__in=any_of(driver_ids, ZoneVisit), exited_at=None)
    for driver_id, zone_id in visits.values_list("driver_id", "zone_id"):
        zones[driver_id].add(zone_id)
    return {pk: Whereabouts(drives.get(pk), frozenset(zones[pk])) for pk in driver_ids}


def load_zones_version() -> object:
    """Return a value that is another one once a zone was added, changed or deleted."""
    return Zone.objects.aggregate(count=Count("pk"), changed=Max("updated_at"), sum=Sum("pk"))


def load_zones() -> ZoneIndex:
    """Return the zones that are watched. With 1,000 zones this takes 0.1 s, so not on the loop."""
    shapes = Zone.objects.filter(is_active=True).values_list(*_SHAPE)
    return ZoneIndex(Shape(*row) for row in shapes)


def store(effects: Mapping[DriverId, Sequence[Effect]]) -> set[DriverId]:
    """Store the effects of fixes, each once, and their events, in the surrounding transaction.

    The database decides what is new: an effect that another worker has stored, or that a trip no
    longer allows, changes nothing. Return the drivers whose trip another transaction has locked; of
    theirs nothing is stored.
    """
    by_trip: defaultdict[int, list[tuple[DriverId, Reached]]] = defaultdict(list)
    crossed: list[tuple[DriverId, Crossed]] = []
    for driver_id, caused in effects.items():
        for effect in caused:
            if isinstance(effect, Reached):
                by_trip[effect.trip_id].append((driver_id, effect))
            else:
                crossed.append((driver_id, effect))
    locked = _store_reached(by_trip) if by_trip else set()
    if crossed:
        # In one order everywhere, so that two workers do not wait for each other.
        crossed.sort(key=lambda each: (each[0], each[1].zone_id))
        _store_crossed([each for each in crossed if each[0] not in locked])
    return locked


def _store_reached(by_trip: Mapping[int, list[tuple[DriverId, Reached]]]) -> set[DriverId]:
    using = router.db_for_write(Trip)
    rows = Trip.objects.using(using).filter(pk__in=by_trip)
    # Who waited here would make the fixes of all drivers of the batch wait.
    free = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    trips = {trip.pk: trip for trip in free}
    locked: set[DriverId] = set()
    if missing := by_trip.keys() - trips.keys():
        for pk in rows.filter(pk__in=missing).values_list("pk", flat=True):
            locked.update(driver_id for driver_id, _ in by_trip[pk])
    driven = TripAssignment.objects.using(using).filter(trip__in=trips, until=None)
    happened: list[Event] = []
    for assignment in driven:
        trip = trips[assignment.trip_id]
        if trip.is_over:
            continue
        new = [
            event
            for driver_id, effect in by_trip[trip.pk]
            if driver_id == assignment.driver_id
            and (event := _reach(trip, assignment, effect)) is not None
        ]
        if new:
            assignment.save(using=using, update_fields=["reached"])
            trip.save(using=using, update_fields=["event_count"])
            happened += new
    events.store(happened)
    return locked


def _reach(trip: Trip, assignment: TripAssignment, effect: Reached) -> Event | None:
    """Note what is reached, and return the event; None if it was reached before."""
    waypoints = trip.waypoints
    assignment.reached = assignment.reached or {}
    reached = assignment.reached.setdefault(str(effect.number), {})
    if effect.step in reached or effect.number >= len(waypoints):
        return None
    reached[effect.step] = format_time(effect.at)
    return events.of_trip(
        trip,
        _STEPS[effect.step],
        effect.at,
        assignment.driver_id,
        waypoint=waypoints[effect.number]["kind"],
        number=effect.number,
    )


def _store_crossed(crossed: Sequence[tuple[DriverId, Crossed]]) -> None:
    using = router.db_for_write(ZoneVisit)
    zones = Zone.objects.using(using).in_bulk({effect.zone_id for _, effect in crossed})
    happened: list[Event] = []
    for driver_id, effect in crossed:
        zone = zones.get(effect.zone_id)
        if zone is None:
            continue
        if effect.entered:
            if _enter(zone, driver_id, effect.at, using):
                happened.append(event_of(EventType.ZONE_ENTERED, zone, driver_id, effect.at))
        else:
            happened += leave(zone, driver_id, effect.at, using)
    events.store(happened)


def _enter(zone: Zone, driver_id: DriverId, at: datetime, using: str) -> bool:
    try:
        with transaction.atomic(using):
            ZoneVisit.objects.using(using).create(
                zone=zone,
                driver_id=driver_id,  # type: ignore[misc]  # the demo's ids are integers
                entered_at=at,
            )
    except IntegrityError:  # another worker has
        return False
    return True


def leave(zone: Zone, driver_id: DriverId, at: datetime, using: str) -> list[Event]:
    """End a driver's visit to a zone, and return the event; none if it has ended before."""
    open_visits = ZoneVisit.objects.using(using).select_for_update()
    visit = open_visits.filter(zone=zone, driver_id=driver_id, exited_at=None).first()  # type: ignore[misc]  # as above
    if visit is None:
        return []
    visit.exited_at = max(at, visit.entered_at)
    visit.save(using=using, update_fields=["exited_at"])
    since = format_time(visit.entered_at)
    return [event_of(EventType.ZONE_EXITED, zone, driver_id, visit.exited_at, entered_at=since)]


def event_of(kind: EventType, zone: Zone, driver_id: DriverId, at: datetime, **facts: Any) -> Event:
    """Return an event of a driver at a zone, to be stored."""
    return events.of_driver(driver_id, kind, at, zone=zone.pk, name=zone.name, **facts)
