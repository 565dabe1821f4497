"""The open trips of drivers, as far as a process needs them to follow the cars."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tracking.engine.database import any_of
from tracking.ids import DriverId
from tracking.models import TripAssignment


class Drive(NamedTuple):
    """The open trip of a driver: what `TripAssignment.reached` and the trip have."""

    trip_id: int
    status: str
    waypoints: Sequence[Mapping[str, Any]]
    reached: Mapping[str, Mapping[str, str]]

    def with_reached(self, number: int, steps: Iterable[str]) -> "Drive":
        """Return this with steps at a waypoint that are reached, and perhaps not stored yet."""
        of_waypoint = {**dict.fromkeys(steps, ""), **self.reached.get(str(number), {})}
        return self._replace(reached={**self.reached, str(number): of_waypoint})


def load_drives(driver_ids: list[DriverId]) -> Mapping[DriverId, Drive]:
    """Return the open trips of these drivers."""
    drives = TripAssignment.objects.filter(
        driver__in=any_of(driver_ids, TripAssignment), until=None, trip__ended_at=None
    )
    rows = drives.values_list("driver_id", "trip_id", "trip__status", "trip__waypoints", "reached")
    return {row[0]: Drive(row[1], row[2], row[3], row[4] or {}) for row in rows}
