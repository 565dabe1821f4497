"""Effects of fixes: steps at waypoints, and zones entered and left, stored with the fix."""

from datetime import datetime
from typing import NamedTuple, TypeAlias

from tracking.arrival.waypoint import Step


class Reached(NamedTuple):
    """A step at the waypoint of a trip, with the number `number`, from 0."""

    trip_id: int
    number: int
    step: Step
    at: datetime


class Crossed(NamedTuple):
    """A zone entered, or left."""

    zone_id: int
    entered: bool
    at: datetime


Effect: TypeAlias = Reached | Crossed
