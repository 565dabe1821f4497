"""The streets of the made-up city, as a graph."""

import heapq
import json
import math
from array import array
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

CITY_FILE: Final = Path(__file__).parents[1] / "static" / "demo" / "city.json"
METRES_PER_DEGREE: Final = 111_195.0  # of the mean Earth radius; enough for a town

# Metres per second: 60, 50 and 30 km/h.
SPEED_LIMITS: Final = {"primary": 16.7, "secondary": 13.9, "residential": 8.3}

# Vehicles share the routes to a destination, so a thousand of them route for free. Each costs one
# search of the whole graph, 10 ms, when the first vehicle goes there.
DESTINATIONS: Final = 80

# Seconds that a detour may take at most to avoid turning round in the road.
MAX_DETOUR: Final = 60.0

Point = tuple[float, float]  # metres east and north of the city's origin


class City:
    """Places by number, and the streets between them.

    `points` are the places; `roads[a]` maps each neighbour of place a to the speed limit (m/s) of
    the street between them; `destinations` are the places to which vehicles drive.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self._latitude, self._longitude = data["latitude"], data["longitude"]
        self._north = METRES_PER_DEGREE
        self._east = METRES_PER_DEGREE * math.cos(math.radians(self._latitude))
        self.points: list[Point] = []
        self.roads: list[dict[int, float]] = []
        self._streets: list[list[str]] = []  # the names of the streets at each place
        places: dict[Point, int] = {}
        for street in data["streets"]:
            steps = street["points"]
            line: list[int] = []
            for step in zip(steps[::2], steps[1::2], strict=True):
                if step not in places:
                    places[step] = len(self.points)
                    x, y = (value * data["unit"] for value in step)
                    self.points.append((x * self._east, y * self._north))
                    self.roads.append({})
                    self._streets.append([])
                if street["name"] and street["name"] not in self._streets[places[step]]:
                    self._streets[places[step]].append(street["name"])
                line.append(places[step])
            for a, b in pairwise(line):
                self.roads[a][b] = self.roads[b][a] = SPEED_LIMITS[street["class"]]
        crossings = [place for place, ways in enumerate(self.roads) if len(ways) > 2]
        self.destinations = crossings[:: max(1, len(crossings) // DESTINATIONS)]
        self._routes: dict[int, array[int]] = {}

    @classmethod
    def load(cls) -> "City":
        """Return the project's made-up city."""
        return cls(json.loads(CITY_FILE.read_text(encoding="utf-8")))

    def degrees(self, point: Point) -> tuple[float, float]:
        """Return the latitude and longitude of a point."""
        return self._latitude + point[1] / self._north, self._longitude + point[0] / self._east

    def metres(self, latitude: float, longitude: float) -> Point:
        """Return the point at a latitude and longitude."""
        return (longitude - self._longitude) * self._east, (latitude - self._latitude) * self._north

    def distance(self, a: int, b: int) -> float:
        """Return the metres between two places in a straight line."""
        return math.dist(self.points[a], self.points[b])

    def nearest(self, latitude: float, longitude: float, among: Iterable[int]) -> int:
        """Return the nearest of these places."""
        point = self.metres(latitude, longitude)
        return min(among, key=lambda place: math.dist(self.points[place], point))

    def waypoint(self, kind: str, place: int) -> dict[str, Any]:
        """Return a trip's waypoint of this kind, named after the streets that meet there."""
        latitude, longitude = self.degrees(self.points[place])
        return {
            "kind": kind,
            "lat": round(latitude, 6),
            "lon": round(longitude, 6),
            "name": " / ".join(self._streets[place][:2]),
        }

    def route(self, start: int, destination: int, coming_from: int | None = None) -> list[int]:
        """Return the places on the fastest way, including both ends.

        For a vehicle that comes from the place `coming_from`, the way does not begin by turning
        round there, unless everything else takes MAX_DETOUR seconds longer.
        """
        direct = self._follow([start], destination)
        if coming_from is None or direct[1:2] != [coming_from]:
            return direct
        others = [
            way
            for place in self.roads[start]
            if place != coming_from
            if (way := self._follow([start, place], destination))[2:3] != [start]
        ]
        best = min(others, key=self._seconds, default=direct)
        return best if self._seconds(best) <= self._seconds(direct) + MAX_DETOUR else direct

    def _follow(self, route: list[int], destination: int) -> list[int]:
        """Return the route, continued to the destination."""
        towards = self._towards(destination)
        while route[-1] != destination:
            route.append(towards[route[-1]])
        return route

    def _seconds(self, route: list[int]) -> float:
        return sum(self.distance(a, b) / self.roads[a][b] for a, b in pairwise(route))

    def _towards(self, destination: int) -> "array[int]":
        """Return for every place the next one on the fastest way to the destination (Dijkstra)."""
        if destination in self._routes:
            return self._routes[destination]
        towards = array("l", [destination]) * len(self.points)
        seconds = [math.inf] * len(self.points)
        seconds[destination] = 0.0
        queue = [(0.0, destination)]
        while queue:
            so_far, place = heapq.heappop(queue)
            if so_far > seconds[place]:
                continue
            for neighbour, limit in self.roads[place].items():
                arrival = so_far + self.distance(place, neighbour) / limit
                if arrival < seconds[neighbour]:
                    seconds[neighbour] = arrival
                    towards[neighbour] = place
                    heapq.heappush(queue, (arrival, neighbour))
        self._routes[destination] = towards
        return towards
