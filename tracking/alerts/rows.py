"""Drives and alerts in the database: read, raised and ended."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import router
from django.db.models import Count, F, Q, Value
from django.db.models.functions import Greatest

from tracking.alerts.conditions import Drive, Place
from tracking.ids import DriverId
from tracking.models import AlertKind, DriverAlert, TripAssignment, TripEta

# What a drive is known by.
Key = tuple[DriverId, int]

_LOCATION = "driver__driver_location"


class OpenAlert(NamedTuple):
    """An alert that has not ended."""

    id: int
    key: Key
    kind: str
    since: datetime
    place: tuple[float, float] | None
    waypoint: int | None


def load_drives() -> list[Drive]:
    """Return the open trips of all drivers, without the routes: they seldom change."""
    drives = TripAssignment.objects.filter(until=None, trip__ended_at=None)
    # Straight lines are no routes: those are empty.
    rows = drives.annotate(has_route=~Q(trip__eta__route="")).values_list(
        "driver_id",
        "trip_id",
        "since",
        "trip__status",
        "trip__waypoints",
        "reached",
        *(f"{_LOCATION}__{name}" for name in Place._fields),
        "trip__eta__driver_id",
        "trip__eta__waypoint",
        "has_route",
    )
    return [_drive(*row) for row in rows]


def _drive(*row: Any) -> Drive:
    known, place, (eta_driver, waypoint, has_route) = row[:6], row[6:11], row[11:]
    # The row may be of the driver before for a moment.
    is_his = eta_driver == known[0] and has_route
    newest = None if place[0] is None else Place._make(place)
    return Drive._make([*known, newest, waypoint if is_his else None])


def load_routes(trip_ids: list[int]) -> Mapping[int, str]:
    """Return the stored routes of these trips."""
    rows = TripEta.objects.filter(pk__in=trip_ids).exclude(route="")
    return dict(rows.values_list("pk", "route"))


def load_open() -> list[OpenAlert]:
    """Return the alerts that have not ended."""
    alerts = _alerts().filter(ended_at=None)
    names = ("pk", "driver_id", "trip_id", "kind", "since", "latitude", "longitude", "waypoint")
    return [
        OpenAlert(
            pk,
            (driver_id, trip_id),
            kind,
            since,
            None if latitude is None or longitude is None else (latitude, longitude),
            waypoint,
        )
        for pk, driver_id, trip_id, kind, since, latitude, longitude, waypoint in (
            alerts.values_list(*names)
        )
    ]


def load_left(alert_ids: list[int]) -> Mapping[int, str]:
    """Return the lines that the drivers of these alerts have left."""
    return dict(_alerts().filter(pk__in=alert_ids).values_list("pk", "route"))


def raise_alerts(alerts: Iterable[DriverAlert]) -> None:
    """Store alerts; those that another process has raised are left out."""
    _alerts().bulk_create(alerts, ignore_conflicts=True)


def end_alerts(ended: Mapping[int, datetime]) -> None:
    """End alerts that have not ended, each at its time."""
    for pk, at in ended.items():
        _alerts().filter(pk=pk, ended_at=None).update(ended_at=Greatest(F("since"), Value(at)))


def count_open() -> Mapping[str, int]:
    """Return the numbers of open alerts by kind."""
    rows = _alerts().filter(ended_at=None).order_by()
    counts = dict(rows.values_list("kind").annotate(Count("pk")))
    return dict.fromkeys(AlertKind.values, 0) | counts


def _alerts() -> Any:
    return DriverAlert.objects.using(router.db_for_write(DriverAlert))
