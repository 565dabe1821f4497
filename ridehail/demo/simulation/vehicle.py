"""A vehicle that drives through the city, and the position that its phone measures."""

import math
import random
from array import array
from itertools import pairwise
from typing import Final, NamedTuple

from ridehail.demo.simulation.city import City, Point

ACCELERATION: Final = 1.8  # m/s², of a relaxed driver
BRAKING: Final = 2.2  # m/s²
CORNER: Final = 3.5  # m/s around a right angle
CRAWL: Final = 0.8  # m/s, the minimum, so that braking reaches a standstill
TICK: Final = 0.5  # seconds; at full speed 8 m, less than the shortest block
KERB: Final = (8.0, 45.0)  # seconds that a stop takes

# Metres. A phone's error changes slowly: each measurement keeps most of the error of the last one.
GPS_ERROR: Final = 1.5
GPS_MEMORY: Final = 0.9
GPS_WORST: Final = 5.0
# The radius that contains 95 % of errors is 2.45 times the standard deviation in one direction.
GPS_ACCURACY: Final = 2.45 * GPS_ERROR


class Position(NamedTuple):
    """A measurement in WGS 84 degrees, degrees clockwise from true north, m/s and metres."""

    latitude: float
    longitude: float
    heading: float
    speed: float
    accuracy: float


class Vehicle:
    """Cruises from destination to destination, with a stop at the kerb at each.

    Or it drives to where it is sent, and `arrived` is true while it stands there. Its moves depend
    only on the city, the random generator and the calls of its functions.
    """

    def __init__(self, city: City, rng: random.Random) -> None:
        self._city, self._rng = city, rng
        self._error: Point = (0.0, 0.0)
        self._waiting = 0.0
        self._speed = 0.0
        self._cruising = True
        self.arrived = False
        self._place = int(rng.random() * len(city.points))
        self._previous = self._place
        self._set_off()
        # Start along the first trip, not at its start, like the vehicles of a running fleet.
        self._leg = int(rng.random() * 0.5 * (len(self._route) - 1))

    def drive_to(self, place: int) -> None:
        """Drive to a place along the streets, and stay there.

        A vehicle on its way first drives on to where it can brake and turn off.
        """
        route, end = self._route, self._leg + 1
        ahead = self._city.distance(route[self._leg], route[end]) - self._along
        braking = self._speed**2 / (2 * BRAKING) + self._speed * TICK
        while ahead < braking and end < len(route) - 1:
            ahead += self._city.distance(route[end], route[end + 1])
            end += 1
        kept = list(route[self._leg : end + 1])
        way = self._city.route(kept[-1], place, coming_from=kept[-2])
        self._plan([*kept, *way[1:]], self._along)
        self._cruising, self.arrived, self._waiting = False, False, 0.0

    def cruise(self, after: float = 0.0) -> None:
        """Drive from destination to destination again; one that stands does so for `after` seconds
        first.
        """
        if self.arrived:
            self._waiting = max(after, TICK)
        self._cruising, self.arrived = True, False

    def advance(self, seconds: float) -> Position:
        """Drive for `seconds`, then measure the position."""
        while seconds > 1e-9 and not self.arrived:
            tick = min(TICK, seconds)
            seconds -= tick
            if self._waiting > 0:
                self._waiting -= tick
                if self._waiting <= 0:
                    self._set_off()
            else:
                self._drive(tick)
        return self._measure()

    def _set_off(self) -> None:
        """Choose the next destination, and plan the route."""
        city, start = self._city, self._place
        elsewhere = [place for place in city.destinations if place != start]
        for _ in range(8):
            route = city.route(start, elsewhere[int(self._rng.random() * len(elsewhere))])
            # Prefer a destination that does not require turning round in the road.
            if route[1] != self._previous:
                break
        self._plan(route, 0.0)

    def _plan(self, route: list[int], along: float) -> None:
        """Take a route, `along` metres after its start: its speed limits, and where to brake."""
        city = self._city
        limits = [city.roads[a][b] for a, b in pairwise(route)]
        speeds = [CRAWL] * len(route)
        for i in range(len(route) - 2, 0, -1):
            brake = math.sqrt(speeds[i + 1] ** 2 + 2 * BRAKING * city.distance(*route[i : i + 2]))
            corner = _corner_speed(*(city.points[place] for place in route[i - 1 : i + 2]))
            speeds[i] = min(corner, brake, limits[i - 1], limits[i])
        # Arrays, because thousands of vehicles keep one each: 12 bytes a place instead of 100.
        self._route = array("l", route)
        self._limits = array("f", limits)
        self._speeds = array("f", speeds)
        self._leg, self._along = 0, along

    def _drive(self, tick: float) -> None:
        ahead = self._city.distance(self._route[self._leg], self._route[self._leg + 1])
        rest = max(ahead - self._along, 0.0)
        safe = math.sqrt(self._speeds[self._leg + 1] ** 2 + 2 * BRAKING * rest)
        faster = self._speed + ACCELERATION * tick
        self._speed = max(CRAWL, min(faster, safe, self._limits[self._leg]))
        self._along += self._speed * tick
        while self._along >= ahead:
            self._along -= ahead
            self._leg += 1
            if self._leg == len(self._route) - 1:
                self._arrive()
                return
            ahead = self._city.distance(self._route[self._leg], self._route[self._leg + 1])

    def _arrive(self) -> None:
        self._previous, self._place = self._route[-2], self._route[-1]
        # At the end of the last street, with the heading of arrival.
        self._leg -= 1
        self._along = self._city.distance(self._previous, self._place)
        self._speed = 0.0
        self.arrived = not self._cruising
        self._waiting = KERB[0] + self._rng.random() * (KERB[1] - KERB[0])

    def _measure(self) -> Position:
        (ax, ay), (bx, by) = (self._city.points[p] for p in self._route[self._leg : self._leg + 2])
        part = self._along / math.dist((ax, ay), (bx, by))
        spread = GPS_ERROR * math.sqrt(1 - GPS_MEMORY**2)
        x, y = (
            max(-GPS_WORST, min(GPS_MEMORY * error + self._rng.gauss(0, spread), GPS_WORST))
            for error in self._error
        )
        self._error = (x, y)
        latitude, longitude = self._city.degrees(
            (ax + (bx - ax) * part + x, ay + (by - ay) * part + y)
        )
        heading = math.degrees(math.atan2(bx - ax, by - ay)) % 360
        # Never smaller than the actual error.
        accuracy = GPS_ACCURACY + math.hypot(x, y)
        return Position(latitude, longitude, heading, self._speed, accuracy)


def _corner_speed(a: Point, b: Point, c: Point) -> float:
    """Return the maximum speed in m/s at b: infinite in a slight bend, low at a right angle, and a
    crawl to turn round.
    """
    turn = math.atan2(c[1] - b[1], c[0] - b[0]) - math.atan2(b[1] - a[1], b[0] - a[0])
    turn = abs((turn + math.pi) % (2 * math.pi) - math.pi)
    if turn < math.radians(12):
        return math.inf
    if turn > math.radians(170):
        return CRAWL
    return CORNER / max(math.sin(min(turn, math.pi / 2)), 0.2)
