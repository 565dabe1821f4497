"""A curious rider: records what riders see of a town for hours, and tries to follow one car.

The rider knows all rules but the secret, and how the cars of this town drive: for each pair of an
id that vanished and one that appeared, the time and the way between them and the directions of both
cars are compared with what was learned from recordings in which the cars were known.
"""

import math
import random
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.fix import Fix
from tracking.fleet.state import Entry
from tracking.geo import METRES_PER_DEGREE, distance
from tracking.status import Status

BEGIN = 1_000_000.0
STEP = 10.0  # seconds between two looks; the server's frames come every 2 s
HOUR = 3_600.0
FAST = 18.0  # m/s: no car of the town is faster
AWAY = 500.0  # metres: a car that has not left was not followed anywhere


class Spot(NamedTuple):
    """A free car's place, and since when its state is unchanged or it has left where it stood."""

    latitude: float
    longitude: float
    since: float


class Town:
    """Four hours of a town whose cars cruise, stand for 5 to 35 minutes, and drive on.

    With `trips` they also have one of 6 to 18 minutes each 25 minutes or so. `spots` has for each
    step and car a spot, or None during a trip; `rides` are the last looks of those who get out.
    """

    def __init__(self, cars, *, trips=False, hours=4, seed=7):
        rng = random.Random(seed)
        city = _city()
        self.cars = range(cars)
        self.steps = int(hours * HOUR / STEP)
        self.ends = BEGIN + self.steps * STEP
        self.spots = []
        self.rides = []
        vehicles = [Vehicle(city, rng) for _ in self.cars]
        stops = [rng.uniform(0, 900) for _ in self.cars]
        # When the next trip begins or the present one ends.
        turns = [rng.uniform(0, 1_500) if trips else math.inf for _ in self.cars]
        is_free = [True] * cars
        since = [0.0] * cars
        entries = [None] * cars
        looks = [deque(maxlen=4) for _ in self.cars]
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
        self.setting_out = _velocity(*looks[:4][:: len(looks[:4]) - 1 or 1][:2])
        self.going = _velocity(*looks[-4:][:: len(looks[-4:]) - 1 or 1][:2])
        self._places = dict(looks)

    def place_at(self, time):
        """Return where the id is seen at a time, None if it is not."""
        return self._places.get(time)


class Curious:
    """Guesses, for each car that vanished, which of the ids that appeared later is the same car's.

    What vanishes are ids, or what a rider saw who has got out. A guess is an index of `appeared`;
    what is guessed has appeared at most `longest` seconds later.
    """

    def __init__(self, longest):
        self.longest = longest
        self._same, self._other = Counter(), Counter()
        self._pairs = Counter()

    def learn(self, vanished, appeared):
        """Learn from a recording in which the cars are known."""
        right = true_next(vanished, appeared)
        for first, second, clues in self._candidates(vanished, appeared):
            is_same = right.get(first) == second
            self._pairs[is_same] += 1
            (self._same if is_same else self._other).update(clues)

    def guess(self, vanished, appeared):
        """Return the guesses by index of `vanished`, and how many candidates there were for each.

        No id is the next one of two cars: the most likely pairs are taken first.
        """
        scored, candidates = [], Counter()
        for first, second, clues in self._candidates(vanished, appeared):
            scored.append((sum(map(self._weight, clues)), first, second))
            candidates[first] += 1
        guesses, taken = {}, set()
        for _, first, second in sorted(scored, reverse=True):
            if first not in guesses and second not in taken:
                guesses[first] = second
                taken.add(second)
        return guesses, candidates

    def _weight(self, clue):
        same = (self._same[clue] + 0.3) / (self._pairs[True] + 5)
        return math.log(same / ((self._other[clue] + 0.3) / (self._pairs[False] + 5)))

    def _candidates(self, vanished, appeared):
        """Yield the pairs that may be one car's, as indexes, with the clues."""
        for first, before in enumerate(vanished):
            for second, after in enumerate(appeared):
                seconds = after.begins - before.ends
                if not 0 < seconds <= self.longest:
                    continue
                metres = distance(*before.last, *after.first)
                if metres > FAST * seconds + 100:
                    continue
                way = _vector(before.last, after.first)
                speeds = before.going, after.setting_out
                ahead, behind = (_cosine(speed, way, metres) for speed in speeds)
                late, far = int(seconds // 180), min(int(metres // 600), 10)
                near = min(int(metres // 300), 6)
                stands = [math.hypot(*speed) < 1 for speed in speeds]
                clues = ("way", late, far), ("ahead", ahead, near), ("behind", behind, near)
                yield first, second, [*clues, ("stands", *stands, late)]


def true_next(vanished, appeared):
    """Return by the index of each car that vanished that of its next id, if there is one."""
    ids = defaultdict(list)
    for index, track in enumerate(appeared):
        ids[track.car].append((track.begins, index))
    following = {}
    for index, track in enumerate(vanished):
        later = [each for each in ids[track.car] if each[0] > track.ends]
        if later:
            following[index] = min(later)[1]
    return following


class Score(NamedTuple):
    """The share in which the rider was right, and of a guess among all candidates; of how many."""

    right: float
    at_random: float
    count: int


def score_of_changes(vanished, appeared, guesses, candidates, longest):
    """Return how often the next id of a car was found, of those that drove away and were seen again
    at most `longest` seconds later.
    """
    results = []
    for index, successor in true_next(vanished, appeared).items():
        before, after = vanished[index], appeared[successor]
        if after.begins - before.ends <= longest and distance(*before.last, *after.first) > AWAY:
            results.append((guesses.get(index) == successor, 1 / candidates[index]))
    return _score(results)


def score_of_hours(tracks, guesses, until):
    """Return how often a car was found an hour later, of those that were elsewhere by then."""
    results = []
    time = BEGIN + 1_200
    while time + HOUR <= until:
        seen = {index: track for index, track in enumerate(tracks) if track.place_at(time)}
        later = {track.car: track for track in tracks if track.place_at(time + HOUR)}
        for index, track in seen.items():
            there = later.get(track.car)
            if there is None:
                continue
            if distance(*track.place_at(time), *there.place_at(time + HOUR)) <= AWAY:
                continue
            guessed = index
            while guessed is not None and tracks[guessed].ends < time + HOUR:
                guessed = guesses.get(guessed)
            is_right = guessed is not None and tracks[guessed] is there
            results.append((is_right, 1 / len(later)))
        time += 600
    return _score(results)


def _score(results):
    count = len(results)
    right, at_random = (sum(column) / count for column in zip(*results, strict=True))
    return Score(right, at_random, count)


def mean_of(scores):
    """Return the mean of scores."""
    count = sum(score.count for score in scores)
    right, at_random = (
        sum(getattr(score, name) * score.count for score in scores) / count
        for name in ("right", "at_random")
    )
    return Score(right, at_random, count)


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


def _vector(start, end):
    """Return the metres north and east; the town is at the equator."""
    return (end[0] - start[0]) * METRES_PER_DEGREE, (end[1] - start[1]) * METRES_PER_DEGREE


def _velocity(start, end=None):
    if end is None or end[0] == start[0]:
        return 0.0, 0.0
    seconds = end[0] - start[0]
    north, east = _vector(start[1], end[1])
    return north / seconds, east / seconds


def _cosine(speed, way, metres):
    """Return -1, 0 or 1 for a way against, across or along a speed; 9 if there is no telling."""
    fast = math.hypot(*speed)
    if fast < 1 or metres < 100:
        return 9
    return round((speed[0] * way[0] + speed[1] * way[1]) / (fast * metres))
