"""The straight line, where no engine answers."""

from typing import Final

from tracking.eta.engines.base import Leg, Place
from tracking.geo import distance

# Metres to drive per metre of the straight line, and metres per second. For 1,213 ways of 300 m to
# 2 km in Helsinki's centre, with its one-way streets, the medians of OSRM are 1.8 and 5.9. Longer
# ways are straighter and faster, so these are a bit above it.
DETOUR: Final = 1.5
SPEED: Final = 7.0


def estimate(start: Place, end: Place) -> Leg:
    """Return a guess of the way from a place to another."""
    metres = distance(*start, *end) * DETOUR
    return Leg(metres / SPEED, metres)
