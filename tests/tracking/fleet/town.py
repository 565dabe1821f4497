"""A town of cars, and what riders see of it."""

import math
import random
from collections import defaultdict, deque
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.fix import Fix
from tracking.fleet.state import Entry
from tracking.geo import METRES_PER_DEGREE
from tracking.status import Status

BEGIN = 1_000_000.0
STEP = 10.0  # seconds between two looks; the server's frames come every 2 s
LOOKS = 3  # steps in which a velocity is measured
HOUR = 3_600.0


class Spot(NamedTuple):
    """A free car's place, and since when its state is unchanged or it has left where it stood."""

    latitude: float
    longitude: float
    since: float


class Town:
    """Four hours of a town whose cars cruise, stand for 5 to 35 minutes, and drive on.

    With `trips` they also have one of 6 to 18 minutes each 25 minutes or so. `spots` has for each
    step and car a spot, or None during a trip; `rides` are the last looks of those who get out.
    `paths` has each car's places in metres, on trips too.
    """

    def __init__(self, cars, *, trips=False, hours=4, seed=7):
        rng = random.Random(seed)
        city = _city()
        self.cars = range(cars)
        self.steps = int(hours * HOUR / STEP)
        self.ends = BEGIN + self.steps * STEP
        self.spots = []
        self.rides = []
        self.paths = [[] for _ in self.cars]
        vehicles = [Vehicle(city, rng) for _ in self.cars]
        stops = [rng.uniform(0, 900) for _ in self.cars]
        # When the next trip begins or the present one ends.
        turns = [rng.uniform(0, 1_500) if trips else math.inf for _ in self.cars]
        is_free = [True] * cars
        since = [0.0] * cars
        entries = [None] * cars
        looks = [deque(maxlen=LOOKS + 1) for _ in self.cars]
        for step in range(self.steps):
            now, spots = step * STEP, []
            for car, vehicle in enumerate(vehicles):
                # Every other car stands at times.
                if vehicle.arrived:
                    vehicle.cruise(after=rng.uniform(300, 2_100))
                    stops[car] = now + rng.uniform(1_800, 4_200)
                elif car % 2 == 0 and now >= stops[car]:
                    vehicle.drive_to(rng.choice(city.destinations))
                    stops[car] = math.inf
                position = vehicle.advance(STEP)
                entries[car] = _moved(entries[car], car, position, now)
                looks[car].append((BEGIN + now, position[:2]))
                self.paths[car].append(metres(position))
                if now >= turns[car]:
                    is_free[car] = not is_free[car]
                    turns[car] = now + (
                        rng.expovariate(1 / 1_500) if is_free[car] else rng.uniform(360, 1_080)
                    )
                    if is_free[car]:
                        since[car] = BEGIN + now
                        self.rides.append(Track(car, list(looks[car])))
                spot = Spot(*position[:2], max(since[car], entries[car].left_at))
                spots.append(spot if is_free[car] else None)
            self.spots.append(spots)

    def record(self, veil):
        """Return the tracks of all ids that riders see under this veil."""
        looks = defaultdict(list)
        for step, spots in enumerate(self.spots):
            now = BEGIN + step * STEP
            for car, spot in enumerate(spots):
                sight = spot and veil.sight(car, spot.latitude, spot.longitude, spot.since, now)
                if sight:
                    place = round(sight.latitude, 4), round(sight.longitude, 4)
                    looks[car, sight.changed_at].append((now, place))
        return sorted(
            (Track(car, found) for (car, _), found in looks.items()), key=lambda track: track.begins
        )


class Track:
    """The looks at one id, as (time, place); and whose it is, for the judge."""

    def __init__(self, car, looks):
        self.car = car
        (self.begins, self.first), (self.ends, self.last) = looks[0], looks[-1]
        self.setting_out = _velocity(looks[0], looks[: LOOKS + 1][-1])
        self.going = _velocity(looks[-LOOKS - 1 :][0], looks[-1])
        self.stood_first, self.stands_last = _stood(looks), _stood(looks[::-1])
        self._places = dict(looks)

    def place_at(self, time):
        """Return where the id is seen at a time, None if it is not."""
        return self._places.get(time)


@cache
def _city():
    return City.load()


def _moved(entry, car, position, now):
    at = datetime.fromtimestamp(BEGIN + now, UTC)
    fix = Fix(car, position.latitude, position.longitude, at, at)
    if entry is None:
        return Entry(fix, Status.LIVE, None)
    entry.move(fix)
    return entry


def metres(place):
    """Return the metres north and east; the town is at the equator."""
    return place[0] * METRES_PER_DEGREE, place[1] * METRES_PER_DEGREE


def _velocity(start, end):
    seconds = end[0] - start[0] or 1.0
    (north_1, east_1), (north_2, east_2) = metres(start[1]), metres(end[1])
    return (north_2 - north_1) / seconds, (east_2 - east_1) / seconds


def _stood(looks):
    """Return for how many seconds a car stood where it is in the first of some looks."""
    begin, there = looks[0]
    until = begin
    for time, place in looks:
        if math.dist(metres(place), metres(there)) > 30:
            break
        until = time
    return abs(until - begin)
