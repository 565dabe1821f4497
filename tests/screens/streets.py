"""A routing engine on the streets of the demo's town, in the server's process."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from ridehail.demo.simulation.city import City
from tracking import polyline
from tracking.eta.engines import Engine, Leg, Place, Route

SPEED: Final = 8.0  # m/s
# Metres from the nearest street to which the engine knows a way.
SNAPPING: Final = 250.0

city = cache(City.load)


class Streets(Engine):
    """Knows the ways in the town, and none elsewhere."""

    async def matrix(self, pairs: Sequence[tuple[Place, Place]]) -> list[Leg | None]:
        routes = [_way(start, end) for start, end in pairs]
        return [route and Leg(route.seconds, route.metres) for route in routes]

    async def route(self, start: Place, end: Place) -> Route | None:
        return _way(start, end)


def _way(start: Place, end: Place) -> Route | None:
    first, last = _nearest(start), _nearest(end)
    if first is None or last is None:
        return None
    town = city()
    places = town.route(first, last)
    metres = sum(town.distance(*each) for each in pairwise(places))
    line = [start, *(town.degrees(town.points[place]) for place in places), end]
    return Route(metres / SPEED, metres, polyline.encode(line))


def _nearest(place: Place) -> int | None:
    town = city()
    found = town.nearest(*place, among=range(len(town.points)))
    (x, y), (east, north) = town.metres(*place), town.points[found]
    return found if abs(x - east) + abs(y - north) < SNAPPING else None
