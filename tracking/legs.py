"""The leg of a trip: the way to the next waypoint, by the trip's status and what was reached."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracking.models import FINAL, TripStatus

# The kind of the waypoints that a status leads to or is at.
_KINDS: Final = {
    TripStatus.NEW: "pickup",
    TripStatus.ENROUTE_TO_PICKUP: "pickup",
    TripStatus.ARRIVED_AT_PICKUP: "pickup",
    TripStatus.ENROUTE_TO_STOP: "stop",
    TripStatus.ARRIVED_AT_STOP: "stop",
    TripStatus.ENROUTE_TO_DROPOFF: "dropoff",
}
_RANKS: Final = {"pickup": 0, "stop": 1, "dropoff": 2}


def next_waypoint(
    status: str,
    waypoints: Sequence[Mapping[str, Any]],
    reached: Mapping[str, Mapping[str, Any]] | None,
) -> int | None:
    """Return the number of the waypoint that the driver drives to, or is at, from 0; None without.

    That is the first one that the driver has not left, after the last one that it has reached, and
    of the kind to which the status leads or of a later kind. So a waypoint that was missed is
    passed once the status says so, or the driver arrives at a later one. `reached` holds what the
    driver has reached, as `TripAssignment.reached` does.
    """
    if status in FINAL:
        return None
    rank = _RANKS[_KINDS[TripStatus(status)]]
    steps = [(reached or {}).get(str(number), {}) for number in range(len(waypoints))]
    last = max((number for number, done in enumerate(steps) if "arrived" in done), default=0)
    for number in range(last, len(waypoints)):
        if _RANKS[waypoints[number]["kind"]] >= rank and "departed" not in steps[number]:
            return number
    return None
