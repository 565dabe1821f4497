"""The simple ways to follow a car fail: across the hour, with a second account, and home.

A rider who has learned how the cars of a town move does better: docs/trips.md, "Cars nearby".
"""

from itertools import pairwise

import pytest

from tracking.fleet.anonymity import CELL, CENTRE, DISPLACEMENT, HIDDEN, PERIOD, RADIUS, Veil
from tracking.geo import distance

from .curious import STEP, Town, guesses

HOUR = 3600.0


@pytest.fixture
def veil():
    return Veil(b"secret")


def sight(veil, driver_id=19, *, here_since=None, quiet=(), now):
    return veil.sight(driver_id, 60.0, 25.0, now if here_since is None else here_since, quiet, now)


def change_of(veil, driver_id=19, begin=1_000_000.0):
    """Return the time of the first change of a driver's ids after `begin`."""
    first = veil.sight(driver_id, 60.0, 25.0, begin + 2 * HOUR, (), begin)
    now = begin
    while True:
        now += 1.0
        seen = sight(veil, driver_id, now=now)
        if first is not None and (seen is None or seen.period != first.period):
            return now
        first = seen or first


@pytest.mark.parametrize("parked", [0, 20])
def test_car_is_not_found_again_across_the_hour(parked):
    town = Town(60, parked=parked)
    tracks = town.record(2 * HOUR)
    results = guesses(tracks, town.now)
    assert len(results) > 40
    right = sum(is_right for is_right, _ in results)
    at_random = sum(1 / candidates for _, candidates in results)
    # There are many that it may be, and the best guess is no better than one at random.
    assert sum(candidates for _, candidates in results) > 10 * len(results)
    assert right <= max(at_random, 0.1 * len(results))


def test_second_account_sees_the_same_cars_at_the_same_time_under_other_ids():
    town = Town(15, parked=5)
    ids = {22: {}, 23: {}}
    for _ in range(int(1.2 * HOUR / STEP)):
        town.drive(STEP)
        both = [town.seen_by(rider) for rider in ids]
        assert {number for _, number in both[0].values()} == {n for _, n in both[1].values()}
        assert not both[0].keys() & both[1].keys()
        for rider, seen in zip(ids, both, strict=True):
            for car, (_, number) in seen.items():
                ids[rider].setdefault(number, set()).add((car, int(town.now)))
    for number, of_first in ids[22].items():
        # An id of one account ends exactly when that of the other does.
        assert ends_of(of_first) == ends_of(ids[23][number])


def ends_of(seen):
    last = {}
    for car, at in seen:
        last[car] = max(at, last.get(car, 0))
    return sorted(last.values())


def test_no_car_is_seen_near_its_home():
    town = Town(30)
    nearest = RADIUS[1]
    for _ in range(int(1.2 * HOUR / STEP)):
        town.drive(STEP)
        for place, number in town.seen_by(22).values():
            nearest = min(nearest, distance(*place, *town.homes[number][0]))
    # From the centre of the cell, that of the circle is at most CENTRE of the radius away, and the
    # home at most half of the diagonal, 236 m.
    assert nearest >= (1 - CENTRE) * RADIUS[0] - 236 - DISPLACEMENT - 10


def test_hole_in_the_map_is_not_centred_on_the_home(veil):
    """One edge in the north and one in the south do not have the home in their middle."""
    row, column = int(60 // CELL), int(25 // CELL)
    away = []
    for driver_id in range(1, 101):
        latitude, longitude, radius = veil._circle(driver_id, row, column)
        away.append(distance(60, 25, latitude, longitude) / radius)
    # The home is inside of each circle, and seldom near its centre.
    assert max(away) < 1
    assert sum(each < 0.1 for each in away) < 20
    assert sum(away) / len(away) > 0.2


def test_car_is_hidden_after_its_change_and_seen_with_other_ids_then(veil):
    change = change_of(veil)
    before = sight(veil, now=change - 1)
    assert sight(veil, now=change + HIDDEN[0] - 1) is None
    after = sight(veil, now=change + HIDDEN[1] + 1)
    assert veil.alias(22, before) != veil.alias(22, after)
    # Nor is it at the same spot, though the car has not moved at all.
    shown = [(each.latitude, each.longitude) for each in (before, after)]
    assert 1 < distance(*shown[0], *shown[1]) <= 2 * DISPLACEMENT + 0.1


def test_parked_car_stays_hidden_after_its_change(veil):
    change = change_of(veil)
    assert sight(veil, here_since=change - 600, now=change - 1) is not None
    for later in (HIDDEN[1] + 1, 1_800.0, 3_500.0):
        assert sight(veil, here_since=change - 600, now=change + later) is None


def test_changes_are_spread_over_the_hour(veil):
    changes = sorted(change_of(veil, driver) % PERIOD for driver in range(1, 13))
    assert max(changes) - min(changes) > PERIOD / 3


def test_ids_need_the_secret(veil):
    seen = sight(veil, now=change_of(veil) - 1)
    assert Veil(b"another").alias(22, seen) != veil.alias(22, seen)


def test_moment_of_the_change_says_nothing_about_the_next(veil):
    """A fixed second of the hour would link each id of a car with the next."""
    seconds = [veil._moment(19, period) % PERIOD for period in range(100)]
    steps = [abs(after - before) for before, after in pairwise(seconds)]
    # As far apart as numbers drawn at random are: a third of the period in the mean.
    assert 0.25 < sum(steps) / len(steps) / PERIOD < 0.42
    assert sum(step < 60 for step in steps) < 12


def test_places_where_a_driver_parks_at_home_share_one_circle(veil):
    change = change_of(veil) + HIDDEN[1] + 1
    homes = [[60.0001 + number * 0.0001, 25.0001] for number in range(20)]
    for north in range(-200, 201, 5):
        latitude = 60 + north * 0.0001
        seen = [
            veil.sight(19, latitude, 25.0, 2e6, quiet, change) is None
            for quiet in (homes[:1], homes)
        ]
        assert seen[0] == seen[1]
