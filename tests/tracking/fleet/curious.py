"""A curious rider: records what riders see of a town for hours, and tries to follow one car."""

import random
from collections import defaultdict
from typing import NamedTuple

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.fleet.anonymity import PERIOD, Veil
from tracking.fleet.state import HERE
from tracking.geo import distance

CITY = City.load()
STEP = 10.0  # seconds between two looks; the server's frames come every 2 s
FAST = 20.0  # m/s: no car of the town is faster


class Track(NamedTuple):
    """The first and the last time and place of an id, and, for the judge, whose it is."""

    begins: float
    first: tuple[float, float]
    ends: float
    last: tuple[float, float]
    driver_id: int


class Town:
    """Cars that drive and park, and what two riders see of them."""

    def __init__(self, cars, *, parked=0, seed=7, begin=1_000_000.0):
        rng = random.Random(seed)
        self.veil = Veil(b"a secret of the server")
        self.now = begin
        self.vehicles = {number: Vehicle(CITY, rng) for number in range(1, cars + 1)}
        self.parked = set(range(1, parked + 1))
        self.places = {}
        self.homes = {}
        # As the fleet's state knows it: the place, and since when the car is there.
        self.here = {}
        self.drive(0.0)
        for number, (latitude, longitude) in self.places.items():
            self.homes[number] = [
                [latitude + rng.uniform(-0.02, 0.02), longitude + rng.uniform(-0.02, 0.02)]
            ]

    def drive(self, seconds):
        self.now += seconds
        for number, vehicle in self.vehicles.items():
            if number not in self.parked or number not in self.places:
                position = vehicle.advance(seconds)
                self.places[number] = position.latitude, position.longitude
            here = self.here.get(number)
            if here is None or distance(*here[0], *self.places[number]) > HERE:
                self.here[number] = self.places[number], self.now

    def seen_by(self, rider_id):
        """Return the cars that a rider sees now: by id the place, and whose it is."""
        seen = {}
        for number, place in self.places.items():
            since = self.here[number][1]
            sight = self.veil.sight(number, *place, since, self.homes[number], self.now)
            if sight is not None:
                alias = self.veil.alias(rider_id, sight)
                seen[alias] = (round(sight.latitude, 4), round(sight.longitude, 4)), number
        return seen

    def record(self, seconds, rider_id=22):
        """Return the tracks of all ids that a rider sees in so many seconds."""
        looks = defaultdict(list)
        for _ in range(int(seconds / STEP)):
            self.drive(STEP)
            for car, (place, number) in self.seen_by(rider_id).items():
                looks[car].append((self.now, place, number))
        return [
            Track(found[0][0], found[0][1], found[-1][0], found[-1][1], found[0][2])
            for found in looks.values()
        ]


def guesses(tracks, until):
    """Return for each track that ended before `until` whether the best guess of the next is right.

    The rider knows all rules: the next id appears after the last, at a place that a car can have
    reached. Of those, the nearest for the time that passed is taken.
    """
    results = []
    for track in tracks:
        if track.ends >= until - 2 * STEP:
            continue
        candidates = [
            (distance(*track.last, *other.first) / max(other.begins - track.ends, STEP), other)
            for other in tracks
            if 0 < other.begins - track.ends <= PERIOD / 2
            and distance(*track.last, *other.first) <= FAST * (other.begins - track.ends) + 100
        ]
        if candidates:
            _, best = min(candidates, key=lambda each: each[0])
            results.append((best.driver_id == track.driver_id, len(candidates)))
    return results
