"""A curious rider: records what riders see of a town for hours, and tries to follow one car.

The rider knows all rules but the secret, and has driven along with the cars of another day: it
knows their paths, and has learned which pairs of an id that vanished and one that appeared are the
same car's.
"""

import heapq
import random
from collections import Counter, defaultdict
from math import exp, hypot, log, sqrt
from typing import NamedTuple

from tracking.fleet import anonymity
from tracking.geo import distance

from .town import BEGIN, HOUR, LOOKS, STEP, metres

FAST = 18.0  # m/s: no car of the town is faster
AWAY = 500.0  # metres: a car that has not left was not followed anywhere

CARS = 60  # of the towns from which the rider learns
NEAR = 250.0  # metres: the bandwidth of places, and a cell
LIKE = 4.0  # m/s: the bandwidth of velocities
FAR = 3 * NEAR  # a place farther away than this says nothing
SPREAD, MIX = 2 * NEAR**2, 2 * LIKE**2
AS_FAR = 40.0  # metres: as unlike as 1 m/s
EACH = 7  # steps from a moment to the next; those between are much the same
MOMENTS = 80  # that are remembered for one id
GAP = 300  # steps, more than between two ids

EPOCHS = 6  # in which the clues are weighed
RARE = 0.01  # a density is never smaller, as a part of that of all cars
OTHERS = 0.15  # the part of the pairs of two cars from which the rider learns
NONE = 0.06  # the odds of an id to have no next one


class Memory(NamedTuple):
    """Moments of known cars as (weight, index) that were like an id's first or last look.

    And the densities of known cars at the place, and at the place with that velocity.
    """

    moments: list
    at_place: float
    alike: float


class Habits:
    """Remembers how known cars drove on from a place and a velocity, and how they came there."""

    def __init__(self, towns):
        # Places and velocities of all paths in one row, with a gap after each.
        self._points, self._speeds = [], []
        # Places and velocities of some moments by cell, and by how much later a velocity is taken.
        self._cells = {0: defaultdict(list), LOOKS: defaultdict(list)}
        self._paths = {}
        self._count = 0
        for town in towns:
            for car, path in enumerate(town.paths):
                start = len(self._points)
                self._points += [*path, *[None] * GAP]
                self._speeds += [*_speeds(path), *[None] * GAP]
                self._paths[town, car] = range(start, start + len(path))
                for index in range(start + LOOKS, start + len(path) - LOOKS, EACH):
                    self._add(index)

    def _add(self, index):
        north, east = self._points[index]
        for later, cells in self._cells.items():
            moment = index, north, east, *self._speeds[index + later]
            cells[north // NEAR, east // NEAR].append(moment)
        self._count += 1

    def remember(self, place, speed, later, without=None):
        """Return the memory of a look; the velocity is measured `later` steps after it.

        `without` is the town and the car of a path that is not known.
        """
        (north, east), (going_north, going_east) = place, speed
        row, column = north // NEAR, east // NEAR
        unknown = self._paths.get(without, ())
        found, at_place, alike = [], 1.0, 0.1
        for cell in ((row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            for index, y, x, v, u in self._cells[later].get(cell, ()):
                if index not in unknown:
                    apart = (y - north) ** 2 + (x - east) ** 2
                    faster = (v - going_north) ** 2 + (u - going_east) ** 2
                    weight = exp(apart / -SPREAD)
                    at_place += weight
                    if faster < 9 * LIKE**2:
                        alike += weight * exp(faster / -MIX)
                    found.append((apart + AS_FAR**2 * faster, index))
        moments = [
            (exp(apart / -SPREAD) + 1e-9, index) for apart, index in heapq.nsmallest(MOMENTS, found)
        ]
        return Memory(moments, at_place / self._count, alike / self._count)

    def ratios(self, memory, steps, place, speed, later, there):
        """Return how much likelier than any car a remembered one is at a place so many steps later.

        As logarithms, for the place alone and with the velocity; `there` is the place's memory.
        """
        (north, east), points = place, self._points
        known, at_place, alike = 1e-9, 0.0, 0.0
        for weight, index in memory.moments:
            point = points[index + steps]
            if point is None:
                continue
            known += weight
            y, x = point[0] - north, point[1] - east
            if -FAR < y < FAR and -FAR < x < FAR:
                weight *= exp((y * y + x * x) / -SPREAD)
                at_place += weight
                v, u = self._speeds[index + steps + later] or speed
                alike += weight * exp(((v - speed[0]) ** 2 + (u - speed[1]) ** 2) / -MIX)
        return (
            log(at_place / known / there.at_place + RARE),
            log(alike / known / there.alike + RARE),
        )


def _speeds(path):
    """Return the velocity with which a car came to each place of its path."""
    seconds = LOOKS * STEP
    return [
        ((place[0] - before[0]) / seconds, (place[1] - before[1]) / seconds)
        for before, place in zip([path[0]] * LOOKS + path, path, strict=False)
    ]


class Curious:
    """Tells how likely an id that appeared is the next one of a car that vanished.

    What vanishes are ids, or what a rider saw who has got out. The next id appears at most
    `longest` seconds later.
    """

    def __init__(self, habits):
        self._habits = habits
        self._weights = Counter()
        self._examples = []
        self._rng = random.Random(5)

    def learn(self, town, vanished, appeared, longest):
        """Learn from a recording of a town whose cars are known."""
        right = true_next(vanished, appeared)

        def chosen(first, second):
            return right.get(first) == second or self._rng.random() < OTHERS

        for first, second, clues in self._pairs(vanished, appeared, longest, chosen, town):
            self._examples.append((clues, right.get(first) == second))

    def conclude(self):
        """Weigh the clues: a logistic regression, by descent with steps that become smaller."""
        squares = Counter()
        for _ in range(EPOCHS):
            self._rng.shuffle(self._examples)
            for clues, is_same in self._examples:
                error = is_same - 1 / (1 + exp(-self._sum(clues)))
                for clue in clues:
                    step = error - 0.0003 * self._weights[clue]
                    squares[clue] += step * step
                    self._weights[clue] += 0.25 * step / sqrt(squares[clue] + 0.1)

    def _sum(self, clues):
        weights = self._weights
        return max(-20.0, min(20.0, sum([weights[clue] for clue in clues])))

    def odds(self, town, vanished, appeared, longest):
        """Return for each index of `vanished` the odds of each index of `appeared`."""
        odds = [{} for _ in vanished]
        # In a smaller town fewer others appear.
        scale = OTHERS * CARS / len(town.cars)
        for first, second, clues in self._pairs(vanished, appeared, longest, lambda *_: True):
            odds[first][second] = scale * exp(self._sum(clues))
        return odds

    def _pairs(self, vanished, appeared, longest, chosen, known=None):
        """Yield the chosen pairs that may be one car's, as indexes, with the clues.

        In a town that is `known`, no car's own path says anything about its ids.
        """
        least = anonymity.HIDDEN[0] - STEP
        habits = self._habits
        lasts = [habits.remember(metres(t.last), t.going, 0, (known, t.car)) for t in vanished]
        firsts = [
            habits.remember(metres(t.first), t.setting_out, LOOKS, (known, t.car)) for t in appeared
        ]
        for first, before in enumerate(vanished):
            for second, after in enumerate(appeared):
                seconds = after.begins - before.ends
                if not least <= seconds <= longest or not chosen(first, second):
                    continue
                if distance(*before.last, *after.first) > FAST * seconds + 100:
                    continue
                yield first, second, self._clues(before, after, lasts[first], firsts[second])

    def _clues(self, before, after, last, first):
        seconds = after.begins - before.ends
        steps = round(seconds / STEP)
        start, end = metres(before.last), metres(after.first)
        ahead = self._habits.ratios(last, steps, end, after.setting_out, LOOKS, first)
        back = self._habits.ratios(first, -steps, start, before.going, 0, last)
        way = end[0] - start[0], end[1] - start[1]
        far = hypot(*way)
        late = int(seconds // 180)
        close = min(int(far // 300), 6)
        stands = [hypot(*speed) < 1 for speed in (before.going, after.setting_out)]
        stood = min(before.stands_last // 150, 4), min(after.stood_first // 150, 4)
        # Each path has two numbers: for the place, and with the velocity.
        return [
            "any",
            ("places", round(ahead[0] + back[0])),
            ("speeds", round(ahead[1] + back[1])),
            ("ahead", round(1.5 * ahead[1])),
            ("back", round(1.5 * back[1])),
            ("way", late, min(int(far // 600), 10)),
            ("going", _cosine(before.going, way, far), close),
            ("setting out", _cosine(after.setting_out, way, far), close),
            ("stands", *stands, late),
            ("stood", *stood),
        ]


def shares(odds):
    """Return the odds as probabilities: no id is the next one of two, and each may be of none."""
    lines, columns = [1.0] * len(odds), Counter()
    for _ in range(40):
        sums = Counter()
        for line, row in zip(lines, odds, strict=True):
            for second, each in row.items():
                sums[second] += each * line
        columns = {second: 1 / (each + NONE) for second, each in sums.items()}
        lines = [
            1 / (sum([each * columns[second] for second, each in row.items()]) + NONE)
            for row in odds
        ]
    return [
        {second: each * line * columns[second] for second, each in row.items()}
        for line, row in zip(lines, odds, strict=True)
    ]


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


def score_of_changes(vanished, appeared, likely, longest):
    """Return how often the next id of a car was found, of those that drove away and were seen again
    at most `longest` seconds later.

    `likely` has for each index of `vanished` the likelihoods of indexes of `appeared`.
    """
    results = []
    for index, successor in true_next(vanished, appeared).items():
        before, after = vanished[index], appeared[successor]
        if after.begins - before.ends <= longest and distance(*before.last, *after.first) > AWAY:
            found = likely[index]
            candidates = sum(_may_follow(before, each, longest) for each in appeared)
            is_right = bool(found) and max(found, key=found.get) == successor
            results.append((is_right, 1 / candidates))
    return _score(results)


def score_of_hours(tracks, likely, until):
    """Return how often a car was found an hour later, of those that were elsewhere by then.

    The rider names the likeliest of the ids that are seen then, and are elsewhere.
    """
    results = []
    time = BEGIN + 1_200
    while time + HOUR <= until:
        later = {index: at for index, t in enumerate(tracks) if (at := t.place_at(time + HOUR))}
        for index, track in enumerate(tracks):
            place = track.place_at(time)
            if not place:
                continue
            away = [each for each, at in later.items() if distance(*place, *at) > AWAY]
            right = [each for each in away if tracks[each].car == track.car]
            if right:
                found = _followed(index, tracks, likely, time + HOUR)
                best = max(away, key=lambda each: found[each])
                results.append((best == right[0], 1 / len(away)))
        time += 600
    return _score(results)


def _followed(index, tracks, likely, until):
    """Return the likelihood of each id to be of the same car as one, multiplied along the chains.

    The tracks are in the order in which they begin.
    """
    found = Counter({index: 1.0})
    for each in range(index, len(tracks)):
        if found[each] > 1e-6 and tracks[each].ends < until:
            for second, share in likely[each].items():
                found[second] += found[each] * share
    return found


def _may_follow(before, after, longest):
    seconds = after.begins - before.ends
    return 0 < seconds <= longest and distance(*before.last, *after.first) <= FAST * seconds + 100


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


def _cosine(speed, way, far):
    """Return -1, 0 or 1 for a way against, across or along a speed; 9 if there is no telling."""
    fast = hypot(*speed)
    if fast < 1 or far < 100:
        return 9
    return round((speed[0] * way[0] + speed[1] * way[1]) / (fast * far))
