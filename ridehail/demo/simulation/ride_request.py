"""The rides that the riders of the town ask for."""

import random
from typing import Any, Final, NamedTuple

from ridehail.demo.simulation.city import City

VANS: Final = 0.08  # the part of requests that need a van
STOPS: Final = 0.15  # with a stop on the way
CANCELLATIONS: Final = 0.06  # that the rider cancels before the pickup
# Seconds after which the rider does, once a car is coming.
CANCELS_AFTER: Final = (20.0, 120.0)
SHORTEST: Final = 700.0  # metres in a straight line


class RideRequest(NamedTuple):
    """A ride that a rider asks for. `places` are those of the waypoints, by number.

    `vehicle_type` is empty for any. `cancels_after` are the seconds after which the rider cancels
    if no car has arrived.
    """

    places: list[int]
    waypoints: list[dict[str, Any]]
    vehicle_type: str
    cancels_after: float | None


def random_request(city: City, rng: random.Random) -> RideRequest:
    """Return what a rider asks for: mostly a short ride, and sometimes something special."""
    pickup = rng.choice(city.destinations)
    elsewhere = [p for p in city.destinations if city.distance(pickup, p) > SHORTEST]
    dropoff = min(rng.sample(elsewhere, 2), key=lambda place: city.distance(pickup, place))
    places = [pickup, dropoff]
    if rng.random() < STOPS:
        places.insert(1, rng.choice([p for p in elsewhere if p != dropoff]))
    kinds = ["pickup", *["stop"] * (len(places) - 2), "dropoff"]
    return RideRequest(
        places,
        [city.waypoint(kind, place) for kind, place in zip(kinds, places, strict=True)],
        "van" if rng.random() < VANS else "",
        rng.uniform(*CANCELS_AFTER) if rng.random() < CANCELLATIONS else None,
    )
