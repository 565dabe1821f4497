"""Trips as they are sent: the content of a frame, from a row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from tracking.legs import next_waypoint
from tracking.models import Trip, TripAssignment, TripEta
from tracking.people import first_name, own_name
from tracking.protocol import format_time
from tracking.protocol.frames import Eta, TripContent, TripDriver, TripWaypoint


def with_content(trips: QuerySet[Trip]) -> QuerySet[Trip]:
    """Return the query with all that `content_of` needs."""
    current = TripAssignment.objects.filter(until=None)
    return trips.select_related("driver", "eta").prefetch_related(
        Prefetch("assignments", current, to_attr="current_assignments")
    )


def content_of(trip: Trip) -> TripContent:
    """Return the content of a trip's frame. What `with_content` has not fetched is read.

    A driver without a name has none here: a log-in name may be an e-mail address, which is not for
    riders.
    """
    eta = _current_eta(trip)
    return TripContent(
        id=trip.pk,
        reference=trip.reference,
        status=trip.status,  # type: ignore[arg-type]  # a constraint keeps it to these
        driver=_driver_of(trip),
        waypoints=[
            TripWaypoint(each["kind"], each["lat"], each["lon"], each["name"])
            for each in trip.waypoints
        ],
        eta=None if eta is None else _eta_of(eta, timezone.now()),
        route=None if eta is None else eta.route or None,
    )


def shared_content_of(trip: Trip) -> TripContent:
    """Return the content of a trip's frame for those who have a link to it.

    It has the first name of the driver, no reference, and only the waypoints that are still to
    come: where the riders were picked up is often where one of them lives.
    """
    content = content_of(trip)
    next_place = next_waypoint(trip.status, trip.waypoints, _reached(trip))
    driver = content.driver
    if driver is not None and trip.driver is not None:
        driver = TripDriver(trip.driver.pk, first_name(trip.driver) or None, driver.vehicle)
    return msgspec.structs.replace(
        content,
        reference="",
        driver=driver,
        waypoints=[] if next_place is None else content.waypoints[next_place:],
    )


def _current_eta(trip: Trip) -> TripEta | None:
    """Return the time of arrival of the trip's driver at the next waypoint, if it is computed.

    The row may be of a former waypoint for a moment.
    """
    if trip.is_over or trip.driver_id is None:
        return None
    eta: TripEta | None = getattr(trip, "eta", None)
    if eta is None or eta.driver_id != trip.driver_id:
        return None
    is_next = eta.waypoint == next_waypoint(trip.status, trip.waypoints, _reached(trip))
    return eta if is_next else None


def _reached(trip: Trip) -> Mapping[str, Mapping[str, Any]] | None:
    current = getattr(trip, "current_assignments", None)
    if current is None:
        current = trip.assignments.filter(until=None)
    return next((assignment.reached for assignment in current), None)


def _eta_of(eta: TripEta, now: datetime) -> Eta:
    return Eta(
        arrives_at=format_time(eta.arrives_at),
        seconds=max(0, round((eta.arrives_at - now).total_seconds())),
        distance=round(eta.distance, 1),
        confidence=eta.confidence,  # type: ignore[arg-type]  # a constraint keeps it to these
        computed_at=format_time(eta.computed_at),
    )


def _driver_of(trip: Trip) -> TripDriver | None:
    if trip.driver is None:
        return None
    return TripDriver(trip.driver.pk, own_name(trip.driver) or None, trip.vehicle)
