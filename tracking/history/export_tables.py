"""The tables of an export: the rows about one person, and which of their fields are."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from django.db.models import Model, QuerySet

from tracking.ids import DriverId
from tracking.models import (
    AnnouncedStatus,
    Device,
    DriverAlert,
    DriverLocation,
    DriverState,
    DriverStateChange,
    Event,
    HistoryErasure,
    HistoryHold,
    LocationAccess,
    State,
    Trip,
    TripAssignment,
    TripChange,
    TripEta,
    TripMatch,
    TripShare,
    WatchGrant,
    ZoneVisit,
)

# The names in the payload of an event that have columns of their own.
_NAMED: Final = frozenset({"trip", "reference", "driver", "sequence"})

# The field of a column, or a function of the row.
Column: TypeAlias = str | Callable[[Any], object]


class Table(NamedTuple):
    """A file of rows, in the order of the field `order`.

    `columns` has a title for each column, and its field or a function of the row.
    """

    name: str
    rows: "QuerySet[Any]"
    order: str
    columns: Mapping[str, Column]


def _of(model: type[Model], field: str, driver_id: DriverId) -> "QuerySet[Any]":
    return model._default_manager.filter(**{field: driver_id})


def _fields(*names: str) -> dict[str, Column]:
    return {name: name for name in names}


def tables(driver_id: DriverId) -> list[Table]:
    """Return all tables with rows about a person, as a driver, a rider or a viewer."""
    return [
        *_of_locations(driver_id),
        *_of_states(driver_id),
        *_of_trips(driver_id),
        *_of_events(driver_id),
    ]


def _of_locations(driver_id: DriverId) -> list[Table]:
    grant = _fields("starts_at", "ends_at", "ended_at", "reference")
    look: dict[str, Column] = {
        "at": "at",
        "way": lambda row: LocationAccess.Way(row.way).label,
        "track_from": "since",
        "track_until": "until",
        "purpose": "purpose",
    }
    return [
        Table(
            "last-known-location.csv",
            _of(DriverLocation, "pk", driver_id),
            "recorded_at",
            _fields(
                "recorded_at",
                "received_at",
                "latitude",
                "longitude",
                "accuracy",
                "heading",
                "speed",
                "heard_at",
                "disconnected_at",
                "clock_offset",
            ),
        ),
        Table(
            "phones.csv",
            _of(Device, "driver", driver_id),
            "issued_at",
            _fields("label", "issued_at", "last_used_at", "revoked_at"),
        ),
        Table(
            "who-may-watch-you.csv",
            _of(WatchGrant, "driver", driver_id),
            "starts_at",
            {"watcher": "watcher_id"} | grant,
        ),
        Table(
            "whom-you-may-watch.csv",
            _of(WatchGrant, "watcher", driver_id),
            "starts_at",
            {"driver": "driver_id"} | grant,
        ),
        Table(
            "who-looked-at-you.csv",
            _of(LocationAccess, "driver", driver_id),
            "at",
            {"viewer": "viewer_id"} | look,
        ),
        Table(
            "whom-you-looked-at.csv",
            _of(LocationAccess, "viewer", driver_id),
            "at",
            {"driver": lambda row: row.driver_id or "all drivers"} | look,
        ),
        Table(
            "holds.csv",
            _of(HistoryHold, "driver", driver_id),
            "held_at",
            _fields("reference", "since", "until", "held_at", "released_at"),
        ),
        Table(
            "erasures.csv",
            _of(HistoryErasure, "driver", driver_id),
            "erased_at",
            _fields("before", "erased_at"),
        ),
    ]


def _of_states(driver_id: DriverId) -> list[Table]:
    state: dict[str, Column] = {"state": lambda row: State(row.state).label}
    return [
        Table(
            "your-state.csv",
            _of(DriverState, "pk", driver_id),
            "since",
            state
            | _fields("since", "vehicle_type", "off_duty_from", "off_duty_until")
            | {
                "shift_began_at": lambda row: _place(row.shift_began_at),
                "shifts_ended_at": lambda row: "; ".join(map(_place, row.shifts_ended_at)),
            },
        ),
        Table(
            "changes-of-your-state.csv",
            _of(DriverStateChange, "driver", driver_id),
            "changed_at",
            _fields("changed_at")
            | {"previous": lambda row: State(row.previous).label if row.previous else ""}
            | state
            | _fields("latitude", "longitude", "reason")
            | {"trip": "trip_id"},
        ),
    ]


def _of_trips(user_id: DriverId) -> list[Table]:
    taken = _of(Trip, "riders", user_id)
    change: dict[str, Column] = {
        "trip": "trip_id",
        "changed_at": "changed_at",
        "status": lambda row: row.get_status_display(),
        "reason": "reason",
    }
    return [
        Table(
            "trips-you-drove.csv",
            _of(TripAssignment, "driver", user_id).select_related("trip"),
            "since",
            {
                "trip": "trip_id",
                "reference": lambda row: row.trip.reference,
                "from": "since",
                "until": "until",
                "status": lambda row: row.trip.get_status_display(),
            },
        ),
        Table(
            "changes-of-trips-you-drove.csv",
            _of(TripChange, "driver", user_id),
            "changed_at",
            change,
        ),
        Table(
            "trips-you-took.csv",
            taken,
            "created_at",
            {
                "trip": "pk",
                "reference": "reference",
                "status": lambda row: row.get_status_display(),
                "created_at": "created_at",
                "ended_at": "ended_at",
                "driver": "driver_id",
                "vehicle": "vehicle",
                "waypoints": lambda row: "; ".join(map(_waypoint, row.waypoints)),
            },
        ),
        Table(
            "changes-of-trips-you-took.csv",
            TripChange.objects.filter(trip__in=taken.order_by().values("pk")),
            "changed_at",
            change | {"driver": "driver_id"},
        ),
        Table(
            "trips-you-shared.csv",
            _of(TripShare, "created_by", user_id),
            "created_at",
            {"trip": "trip_id"}
            | _fields("created_at", "expires_at", "ended_at", "opened_at", "last_opened_at"),
        ),
    ]


def _of_events(driver_id: DriverId) -> list[Table]:
    driven = _of(TripAssignment, "driver", driver_id)
    alert: dict[str, Column] = {
        "alert": lambda row: row.get_kind_display(),
        "trip": "trip_id",
    }
    return [
        Table(
            "ways-of-trips-you-drove.csv",
            TripMatch.objects.filter(
                trip__in=driven.values("trip"), matched_at__isnull=False, distance__isnull=False
            ),
            "matched_at",
            {"trip": "trip_id"} | _fields("matched_at", "distance", "line"),
        ),
        Table(
            "arrival-of-your-trip.csv",
            _of(TripEta, "driver", driver_id),
            "computed_at",
            {"trip": "trip_id"} | _fields("arrives_at", "distance", "computed_at", "route"),
        ),
        Table(
            "status-told-about-you.csv",
            _of(AnnouncedStatus, "driver", driver_id),
            "changed_at",
            {"status": lambda row: row.get_status_display(), "changed_at": "changed_at"},
        ),
        Table(
            "events-about-you.csv",
            _of(Event, "driver", driver_id),
            "occurred_at",
            {
                "occurred_at": "occurred_at",
                "event": lambda row: row.get_type_display(),
                "trip": "trip_id",
                "reference": lambda row: row.data.get("reference", ""),
                "number": "sequence",
                "facts": lambda row: _facts(row.data),
            },
        ),
        Table(
            "zones-you-were-in.csv",
            _of(ZoneVisit, "driver", driver_id).select_related("zone"),
            "entered_at",
            {"zone": lambda row: row.zone.name} | _fields("entered_at", "dwelled_at", "exited_at"),
        ),
        Table(
            "alerts-about-you.csv",
            _of(DriverAlert, "driver", driver_id),
            "since",
            alert
            | _fields("since", "ended_at", "latitude", "longitude", "route")
            | _fields("acknowledged_at", "note"),
        ),
    ]


def _facts(data: Mapping[str, Any]) -> str:
    """Return the facts of an event's payload as a text, such as "status: new; waypoint: pickup"."""
    return "; ".join(
        f"{name}: {value}"
        for name, value in data.items()
        if name not in _NAMED and value is not None
    )


def _waypoint(waypoint: dict[str, Any]) -> str:
    place = f"{waypoint['kind']} {_place((waypoint['lat'], waypoint['lon']))}"
    return f"{place} ({waypoint['name']})" if waypoint.get("name") else place


def _place(place: Any) -> str:
    """Return the latitude and the longitude as a text, empty for None."""
    return "" if place is None else f"{place[0]}, {place[1]}"
