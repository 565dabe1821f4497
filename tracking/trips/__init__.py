"""Trips: what tracking knows of the host's trips. The functions for host projects.

A trip is given as an object or by its id, users as objects or by id. All functions take part in the
surrounding transaction, and store an event in it; workers are notified after the commit.
"""

from tracking.models import TripStatus
from tracking.trips.errors import (
    DriverTaken,
    DriverUnavailable,
    InvalidTrip,
    InvalidWaypoint,
    StatusConflict,
    TripChanged,
    TripConflict,
    TripOver,
)
from tracking.trips.life import assign, cancel, complete, create, set_status
from tracking.trips.waypoints import Waypoint

__all__ = [
    "DriverTaken",
    "DriverUnavailable",
    "InvalidTrip",
    "InvalidWaypoint",
    "StatusConflict",
    "TripChanged",
    "TripConflict",
    "TripOver",
    "TripStatus",
    "Waypoint",
    "assign",
    "cancel",
    "complete",
    "create",
    "set_status",
]
