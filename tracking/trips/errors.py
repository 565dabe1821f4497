"""Errors of trips.

ValueError
└── InvalidTrip             the input is invalid
    └── InvalidWaypoint     one waypoint is invalid
TripConflict                the trip, or the driver, is not in a state for this
├── TripOver                the trip is complete or canceled
├── TripChanged             the trip has another version than the caller has seen
├── StatusConflict          the status cannot follow the present one
├── DriverTaken             the driver has another trip
└── DriverUnavailable       the driver is off duty, or reserved by the host
"""

from typing import ClassVar

from django.utils.translation import gettext as _

from tracking.arguments import InvalidArguments
from tracking.ids import DriverId
from tracking.models import State, Trip


class InvalidTrip(InvalidArguments):
    """Raised for invalid input. `reasons` holds the messages by the name of the argument."""


class InvalidWaypoint(InvalidTrip):
    """Raised for the waypoint with this `number`, from 0. `reason` is the message without it."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__({"waypoints": [f"waypoints[{number}]: {reason}"]})
        self.number = number
        self.reason = reason


class TripConflict(Exception):
    """Base of the errors that depend on the present state of a trip or a driver."""

    code: ClassVar[str]


class TripOver(TripConflict):
    code = "trip_over"

    def __init__(self, trip: Trip) -> None:
        super().__init__(_("This trip has ended: create another one."))
        self.trip = trip


class TripChanged(TripConflict):
    """`trip` is the trip as it is now."""

    code = "trip_changed"

    def __init__(self, trip: Trip) -> None:
        super().__init__(_("This trip has changed meanwhile: look at it again."))
        self.trip = trip


class StatusConflict(TripConflict):
    code = "status_conflict"


class DriverTaken(TripConflict):
    """`trip` is the other trip, which has the driver."""

    code = "driver_taken"

    def __init__(self, driver_id: DriverId, trip: Trip) -> None:
        text = _("Driver %(driver)s has trip %(trip)s (%(name)s).")
        super().__init__(text % {"driver": driver_id, "trip": trip.pk, "name": trip})
        self.driver_id = driver_id
        self.trip = trip


class DriverUnavailable(TripConflict):
    """`state` is the driver's state."""

    code = "driver_unavailable"

    def __init__(self, driver_id: DriverId, state: str) -> None:
        text = _("Driver %(driver)s is not available, but %(state)s.")
        super().__init__(text % {"driver": driver_id, "state": State(state).label})
        self.driver_id = driver_id
        self.state = state
