"""Following a car fails: across the hour, with a second account, after a ride, and home."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from statistics import mean

import pytest

from tracking.fix import Fix
from tracking.fleet import anonymity
from tracking.fleet.anonymity import CELL, CENTRE, CROWD, DISPLACEMENT, HIDDEN, PERIOD, RADIUS, Veil
from tracking.fleet.state import STAND, STAND_OF_NEW, Entry
from tracking.geo import distance
from tracking.status import Status

from .curious import (
    CARS,
    Curious,
    Habits,
    mean_of,
    score_of_changes,
    score_of_hours,
    shares,
)
from .town import BEGIN, HOUR, STEP, Town

LEARNED = [b"first", b"second", b"third", b"fourth"]
ATTACKED = [b"a", b"b", b"c", b"d"]


@pytest.fixture
def veil():
    return Veil(b"secret")


def sight(veil, driver_id=19, *, since=0.0, now):
    return veil.sight(driver_id, 60.0, 25.0, since, now)


def change_of(veil, driver_id=19, begin=BEGIN):
    """Return the time of the first change of a car's ids after `begin`."""
    period = int(begin // PERIOD) + 1
    return veil._moment(driver_id, period)


@cache
def town_of(cars):
    return Town(cars)


@cache
def known_towns():
    """Return two towns whose cars the rider knows, without and with trips, and their habits."""
    towns = Town(CARS, seed=101, hours=3), Town(CARS, seed=102, hours=3, trips=True)
    return *towns, Habits(towns)


@cache
def curious(hidden, recordings):
    """Return a rider who has learned from so many recordings with the present `HIDDEN`.

    The rider waits for the next id of a car for longer than for the first one after a ride.
    """
    town, with_trips, habits = known_towns()
    rider = Curious(habits)
    for secret in LEARNED[: (recordings + 1) // 2]:
        tracks = town.record(Veil(secret))
        rider.learn(town, tracks, tracks, hidden[1] + 600)
    for secret in LEARNED[:recordings]:
        tracks = with_trips.record(Veil(secret))
        rider.learn(with_trips, with_trips.rides, tracks, hidden[1] + STEP)
    rider.conclude()
    return rider


def attack(town, secrets, recordings=4):
    """Return how often a rider finds a car after its change, and an hour later: see `Score`."""
    hidden = anonymity.HIDDEN
    rider, longest = curious(hidden, recordings), hidden[1] + 600
    changes, hours = [], []
    for secret in secrets:
        tracks = town.record(Veil(secret))
        likely = shares(rider.odds(town, tracks, tracks, longest))
        changes.append(score_of_changes(tracks, tracks, likely, longest))
        hours.append(score_of_hours(tracks, likely, town.ends - 600))
    return mean_of(changes), mean_of(hours)


def attack_after_rides(town, secrets, recordings=4):
    """Return how often a rider who got out finds the car again."""
    hidden = anonymity.HIDDEN
    rider, longest = curious(hidden, recordings), hidden[1] + STEP
    scores = []
    for secret in secrets:
        tracks = town.record(Veil(secret))
        odds = rider.odds(town, town.rides, tracks, longest)
        scores.append(score_of_changes(town.rides, tracks, odds, longest))
    return mean_of(scores)


# The towns and the secrets are the same in each run, so the results are too, and the limits are a
# little above them: after a change the rider found 12 and 18 % (4 and 8 % by a guess), an hour
# later 10 and 19 % (7 and 14 %). docs/trips.md has all figures.
@pytest.mark.long
@pytest.mark.parametrize(
    ("cars", "secrets", "limit", "limit_of_hours"), [(30, 3, 0.14, 0.12), (CROWD, 4, 0.2, 0.21)]
)
def test_car_is_not_followed_across_the_hour(cars, secrets, limit, limit_of_hours):
    changes, hours = attack(town_of(cars), ATTACKED[:secrets])
    assert changes.count > 100
    assert changes.right <= limit
    assert hours.count > 100
    assert hours.right <= limit_of_hours


# In the same way: 14 and 34 % of those who got out found their car (10 and 18 % by a guess).
@pytest.mark.long
@pytest.mark.parametrize(("cars", "secrets", "limit"), [(30, 3, 0.16), (CROWD, 4, 0.37)])
def test_rider_who_gets_out_does_not_find_the_car_again(cars, secrets, limit):
    score = attack_after_rides(Town(cars, trips=True), ATTACKED[:secrets])
    assert score.count > 100
    assert score.right <= limit


@pytest.mark.long
def test_curious_rider_would_succeed_if_cars_were_hidden_for_seconds(monkeypatch):
    """The attack is a real one."""
    monkeypatch.setattr(anonymity, "HIDDEN", (10.0, 60.0))
    changes, hours = attack(town_of(15), ATTACKED[:2], recordings=1)
    assert changes.count > 100
    assert changes.right > 0.6
    assert hours.right > 3 * hours.at_random


def test_nearly_half_of_the_cars_is_seen():
    town, veil = Town(15, hours=2), Veil(b"secret")
    seen = [
        veil.sight(car, spot.latitude, spot.longitude, spot.since, BEGIN + step * STEP)
        for step, spots in enumerate(town.spots)
        for car, spot in enumerate(spots)
    ]
    assert mean(each is not None for each in seen) > 0.45


def test_second_account_does_not_bridge_the_changes_of_the_first(veil):
    """Both see the same cars at the same time, and their ids of a car end together."""
    town = Town(15, trips=True, hours=2)
    seen = {22: {}, 23: {}}
    for step, spots in enumerate(town.spots):
        now = BEGIN + step * STEP
        for car, spot in enumerate(spots):
            found = spot and veil.sight(car, spot.latitude, spot.longitude, spot.since, now)
            for rider_id, ids in seen.items():
                if found:
                    ids.setdefault(
                        veil.alias(rider_id, found.driver_id, found.changed_at), []
                    ).append((car, now))
    assert len(seen[22]) > 30
    assert not seen[22].keys() & seen[23].keys()
    assert sorted(seen[22].values()) == sorted(seen[23].values())
    # And no id is of two cars.
    assert all(len({car for car, _ in looks}) == 1 for looks in seen[22].values())


def test_no_car_is_seen_near_its_home(veil):
    """Nor at a place that looks as if it were: a car is shown displaced."""
    nearest = RADIUS[1]
    for driver_id in range(1, 31):
        home = [60 + driver_id * 0.0007, 25 + driver_id * 0.0011]
        for metres in range(0, 2_000, 25):
            place = home[0] + metres / 111_195, home[1]
            if not veil.is_quiet(driver_id, *place, [[0.0, 0.0], home]):
                nearest = min(nearest, distance(*place, *home))
    # From the centre of the cell, that of the circle is at most CENTRE of the radius away, and the
    # home at most half of the diagonal, 236 m.
    assert nearest >= (1 - CENTRE) * RADIUS[0] - 236 + DISPLACEMENT


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


def test_places_where_a_driver_parks_at_home_share_one_circle(veil):
    homes = [[60.0001 + number * 0.0001, 25.0001] for number in range(20)]
    for north in range(-200, 201, 5):
        place = 60 + north * 0.0001, 25.0
        assert veil.is_quiet(19, *place, homes[:1]) == veil.is_quiet(19, *place, homes)


def test_car_is_hidden_after_its_change_and_seen_with_other_ids_then(veil):
    change = change_of(veil)
    before = veil._draw(19, int(veil._moment(19, int(BEGIN // PERIOD))))
    seen_before = sight(veil, now=max(change - 1, BEGIN + before.hidden))
    assert sight(veil, now=change + HIDDEN[0] - 1) is None
    # The next change may come before the car is seen again.
    later = next(
        seen
        for seconds in range(int(HIDDEN[0]), 4 * PERIOD)
        if (seen := sight(veil, now=change + seconds)) is not None
    )
    assert seen_before is None or veil.alias(
        22, seen_before.driver_id, seen_before.changed_at
    ) != veil.alias(22, later.driver_id, later.changed_at)


def test_car_is_hidden_after_a_trip_and_after_it_left_its_stand(veil):
    since = change_of(veil) + HIDDEN[1]
    before = sight(veil, now=since)
    hidden = veil._draw(19, int(since)).hidden
    assert HIDDEN[0] <= hidden <= HIDDEN[1]
    assert sight(veil, since=since, now=since + hidden - 2) is None
    after = sight(veil, since=since, now=since + hidden + 1)
    if after is not None:  # Else its ids have changed once more meanwhile.
        assert veil.alias(22, before.driver_id, before.changed_at) != veil.alias(
            22, after.driver_id, after.changed_at
        )
        shown = [(each.latitude, each.longitude) for each in (before, after)]
        assert 1 < distance(*shown[0], *shown[1]) <= 2 * DISPLACEMENT + 0.1


def test_ids_change_within_an_hour_and_at_other_moments_for_each_car(veil):
    for driver_id in range(1, 20):
        moments = [veil._moment(driver_id, period) for period in range(100)]
        assert max(after - before for before, after in pairwise(moments)) <= HOUR
    changes = sorted(change_of(veil, driver) % PERIOD for driver in range(1, 13))
    assert max(changes) - min(changes) > PERIOD / 3


def test_moment_of_the_change_says_nothing_about_the_next(veil):
    """A fixed second of the period would link each id of a car with the next."""
    seconds = [veil._moment(19, period) % PERIOD for period in range(100)]
    steps = [abs(after - before) for before, after in pairwise(seconds)]
    # As far apart as numbers drawn at random are: a third of the period in the mean.
    assert 0.25 < sum(steps) / len(steps) / PERIOD < 0.42
    assert sum(step < PERIOD / 60 for step in steps) < 12


def test_ids_need_the_secret(veil):
    seen = sight(veil, now=change_of(veil) + HIDDEN[1])
    assert Veil(b"another").alias(22, seen.driver_id, seen.changed_at) != veil.alias(
        22, seen.driver_id, seen.changed_at
    )


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def entry_after(*moves):
    """Return the entry of a car after moves: the seconds since it became known, and the metres
    north of its first place.
    """
    entry = Entry(Fix(19, 60.0, 25.0, NOON, NOON), Status.LIVE, None)
    for seconds, metres in moves:
        at = NOON + timedelta(seconds=seconds)
        entry.move(Fix(19, 60.0 + metres / 111_195, 25.0, at, at))
    return entry


def test_car_on_its_way_has_left_no_stand():
    moves = [(number * 10, number * 90) for number in range(100)]
    assert entry_after(*moves).left_at == 0


def test_car_that_stood_has_left_when_it_is_away():
    arrives, leaves = 60, 60 + STAND
    moves = [(arrives, 600), (leaves - 10, 700), (leaves, 1_099), (leaves + 10, 1_101)]
    assert entry_after(*moves).left_at == (NOON + timedelta(seconds=leaves + 10)).timestamp()
    shorter = [(arrives, 600), (leaves - 1, 1_101)]
    assert entry_after(*shorter).left_at == 0


def test_new_car_that_drives_away_later_counts_as_one_that_stood():
    """It may have been there for long, before this process knew it."""
    assert entry_after((STAND_OF_NEW - 1, 600)).left_at == 0
    assert entry_after((STAND_OF_NEW, 600)).left_at > 0
