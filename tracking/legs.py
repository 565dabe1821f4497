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

    That is the first one that the driver has not left, of the kind to which the status leads or of
    a later kind. So a waypoint that was missed is passed once the status says so. `reached` holds
    what the driver has reached, as `TripAssignment.reached` does.
    """
    if status in FINAL:
        return None
    rank = _RANKS[_KINDS[TripStatus(status)]]
    for number, waypoint in enumerate(waypoints):
        left = (reached or {}).get(str(number), {})
        if _RANKS[waypoint["kind"]] >= rank and "departed" not in left:
            return number
    return None
