"""The events of a driver's day or other window: codes and names, which a page puts into words."""

from collections.abc import Iterator
from datetime import datetime
from heapq import nlargest
from typing import Any, Final

from tracking.ids import DriverId, id_at
from tracking.models import DriverAlert, DriverStateChange, Event, EventType, Trip, TripChange
from tracking.protocol import format_time
from tracking.rest.windows import Window

MAX_ITEMS: Final = 100

Item = tuple[datetime, dict[str, Any]]

# Events about arriving drivers and zones: what they are about, and the step.
_STEPS: Final = {
    EventType.WAYPOINT_ARRIVING: ("waypoint", "arriving"),
    EventType.WAYPOINT_ARRIVED: ("waypoint", "arrived"),
    EventType.WAYPOINT_DEPARTED: ("waypoint", "departed"),
    EventType.ZONE_ENTERED: ("zone", "entered"),
    EventType.ZONE_EXITED: ("zone", "exited"),
    EventType.ZONE_DWELLED: ("zone", "dwelled"),
}


def timeline(driver_id: DriverId, window: Window, *, with_trips: bool) -> list[dict[str, Any]]:
    """Return the newest MAX_ITEMS of a driver's window, the newest first, in four queries.

    Each is `{"at": …, "kind": "state" | "trip" | "waypoint" | "zone" | "alert", …}`. Without trips
    there are only states and zones.
    """
    items = [*_states(driver_id, window, with_trips=with_trips)]
    items += _events(driver_id, window, with_trips=with_trips)
    if with_trips:
        items += [*_trips(driver_id, window), *_alerts(driver_id, window)]
    newest = nlargest(MAX_ITEMS, items, key=lambda item: item[0])
    return [{"at": format_time(at), **facts} for at, facts in newest]


def _states(driver_id: DriverId, window: Window, *, with_trips: bool) -> Iterator[Item]:
    changes = DriverStateChange.objects.filter(
        driver=driver_id,  # type: ignore[misc]  # the demo's ids are integers
        changed_at__gte=window.since,
        changed_at__lt=window.until,
    )
    for row in changes.select_related("trip").order_by("-changed_at")[:MAX_ITEMS]:
        yield (
            row.changed_at,
            {
                "kind": "state",
                "state": row.state,
                "previous": row.previous or None,
                "reason": row.reason,
                "trip": _trip(row.trip) if with_trips else None,
            },
        )


def _trips(driver_id: DriverId, window: Window) -> Iterator[Item]:
    changes = TripChange.objects.filter(
        trip__assignments__driver=driver_id,  # type: ignore[misc]  # as above
        driver=driver_id,
        changed_at__gte=window.since,
        changed_at__lt=window.until,
    )
    rows = changes.select_related("trip").distinct()
    for row in rows.order_by("-changed_at")[:MAX_ITEMS]:
        yield (
            row.changed_at,
            {"kind": "trip", "status": row.status, "reason": row.reason, "trip": _trip(row.trip)},
        )


def _events(driver_id: DriverId, window: Window, *, with_trips: bool) -> Iterator[Item]:
    kinds = [kind for kind, (about, _) in _STEPS.items() if with_trips or about != "waypoint"]
    # By the ids, which begin with the time of their making: the driver's index has them.
    found = Event.objects.filter(
        driver=driver_id,  # type: ignore[misc]  # as above
        type__in=kinds,
        pk__gte=id_at(window.since),
        occurred_at__gte=window.since,
        occurred_at__lt=window.until,
    )
    for event in found.select_related("trip").order_by("-pk")[:MAX_ITEMS]:
        about, step = _STEPS[EventType(event.type)]
        facts: dict[str, Any] = {"kind": about, "step": step}
        if about == "zone":
            facts["zone"] = {"id": event.data["zone"], "name": event.data["name"]}
        else:
            number = event.data["number"]
            facts["waypoint"] = event.data["waypoint"]
            facts["name"] = _waypoint_name(event.trip, number)
            facts["trip"] = _trip(event.trip)
        yield event.occurred_at, facts


def _alerts(driver_id: DriverId, window: Window) -> Iterator[Item]:
    found = DriverAlert.objects.filter(driver=driver_id, since__lt=window.until)  # type: ignore[misc]  # as above
    for alert in found.select_related("trip").order_by("-since")[:MAX_ITEMS]:
        steps = (
            ("raised", alert.since),
            ("acknowledged", alert.acknowledged_at),
            ("ended", alert.ended_at),
        )
        for step, at in steps:
            if at is not None and window.since <= at < window.until:
                yield (
                    at,
                    {"kind": "alert", "step": step, "alert": alert.kind, "trip": _trip(alert.trip)},
                )


def _trip(trip: Trip | None) -> dict[str, Any] | None:
    return None if trip is None else {"id": trip.pk, "reference": trip.reference}


def _waypoint_name(trip: Trip | None, number: int) -> str | None:
    """Return what people call a waypoint, unless it was deleted."""
    if trip is None or number >= len(trip.waypoints):
        return None
    name: str | None = trip.waypoints[number].get("name")
    return name
