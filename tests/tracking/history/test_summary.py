"""Distances, stops and gaps of drives whose length is known."""

import random
from datetime import UTC, timedelta
from itertools import pairwise
from math import cos, pi, sin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.fakes import NOON
from tracking.geo import METRES_PER_DEGREE, distance, metres_per_degree_east
from tracking.history.fixes import TrackFix
from tracking.history.summary import Gap, Stop, Summary
from tracking.plausibility import Flags, flagged

LAGOS, WUXI, TROMSO, FIJI = (6.52, 3.37), (31.5, 120.3), (69.65, 18.96), (-16.8, 179.98)


def at(second):
    return NOON + timedelta(seconds=second)


def fix_at(second, north=0.0, east=0.0, place=WUXI, **rest):
    """Return a fix some metres from a place."""
    latitude, longitude = place
    longitude += east / metres_per_degree_east(latitude)
    latitude += north / METRES_PER_DEGREE
    return TrackFix(at(second), at(second), latitude, (longitude + 180) % 360 - 180, **rest)


def summary_of(fixes, **options):
    summary = Summary(**options)
    for fix in fixes:
        summary.add(fix)
    return summary.finish()


def sum_of_steps(fixes):
    return sum(
        distance(one.latitude, one.longitude, other.latitude, other.longitude)
        for one, other in pairwise(fixes)
    )


class Streets:
    """A drive through streets with turns, a place for each metre, `speed` in m/s."""

    def __init__(self, seed, length=10_000, block=500):
        rng = random.Random(seed)
        self.places = [(0.0, 0.0)]
        north = east = heading = 0.0
        left = turn = 0
        while len(self.places) <= length:
            if left == 0:
                turn = rng.choice([-1, 0, 1]) * pi / 2
                left = rng.randint(block // 2, block * 3 // 2)
            left -= 1
            if left < 20:  # a curve of 20 m
                heading += turn / 20
            north, east = north + cos(heading), east + sin(heading)
            self.places.append((north, east))
        self.length = length

    def fixes(self, interval, speed, noise=lambda: (0.0, 0.0), place=WUXI, **rest):
        found = []
        for n in range(int(self.length / speed / interval) + 1):
            north, east = self.places[int(n * interval * speed)]
            more_north, more_east = noise()
            found.append(fix_at(n * interval, north + more_north, east + more_east, place, **rest))
        return found


def white_noise(metres, seed=1):
    rng = random.Random(seed)
    return lambda: (rng.gauss(0, metres), rng.gauss(0, metres))


def slow_noise(metres, seed=1, keep=0.95):
    """Return noise as of a real receiver, whose error is nearly the same a moment later."""
    rng = random.Random(seed)
    north, east = rng.gauss(0, metres), rng.gauss(0, metres)

    def noise():
        nonlocal north, east
        share = (1 - keep * keep) ** 0.5
        north = keep * north + share * rng.gauss(0, metres)
        east = keep * east + share * rng.gauss(0, metres)
        return north, east

    return noise


def standing(begin, end, interval=5, noise=None, **rest):
    noise = noise or white_noise(10)
    return [fix_at(second, *noise(), **rest) for second in range(begin, end + 1, interval)]


# Distance.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("place", [LAGOS, TROMSO, FIJI])
@pytest.mark.parametrize(("interval", "speed"), [(1, 5), (1, 15), (5, 5), (5, 10)])
def test_distance_of_a_drive_is_within_two_percent(seed, place, interval, speed):
    streets = Streets(seed)
    fixes = streets.fixes(interval, speed, place=place)
    assert summary_of(fixes).distance == pytest.approx(streets.length, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("noise", "metres"), [(white_noise, 5), (slow_noise, 5), (slow_noise, 10)])
@pytest.mark.parametrize(("interval", "speed"), [(1, 5), (1, 10), (1, 20), (5, 5), (5, 10)])
def test_distance_of_a_drive_with_noise_is_within_two_percent(seed, noise, metres, interval, speed):
    streets = Streets(seed)
    fixes = streets.fixes(interval, speed, noise(metres, seed))
    assert summary_of(fixes).distance == pytest.approx(streets.length, rel=0.02)


@pytest.mark.parametrize("interval", [1, 5])
def test_reported_accuracy_helps_against_more_noise(interval):
    streets = Streets(1)
    fixes = streets.fixes(interval, 10, white_noise(10), accuracy=15.0)
    assert sum_of_steps(fixes) > (1.9 if interval == 1 else 1.02) * streets.length
    assert summary_of(fixes).distance == pytest.approx(streets.length, rel=0.02)


@pytest.mark.parametrize("place", [LAGOS, FIJI])
def test_long_straight_drive_is_as_long_as_the_great_circle(place):
    fixes = [fix_at(5 * n, 125 * n, 70 * n, place) for n in range(2000)]
    first, last = fixes[0], fixes[-1]
    metres = distance(first.latitude, first.longitude, last.latitude, last.longitude)
    assert summary_of(fixes).distance == pytest.approx(metres, rel=0.001)


@pytest.mark.parametrize("noise", [white_noise, slow_noise])
@pytest.mark.parametrize("interval", [1, 5, 30, 120])
@pytest.mark.parametrize("accuracy", [None, 12.0])
def test_parked_car_covers_no_distance(noise, interval, accuracy):
    fixes = standing(0, 8 * 3600, interval, noise(10), accuracy=accuracy)
    summary = summary_of(fixes)
    assert summary.distance < 1
    assert len(summary.stops) == 1


@pytest.mark.parametrize("seconds", [60, 1200])
def test_car_that_stands_on_the_way_covers_the_way_alone(seconds):
    noise = white_noise(8)
    first = [fix_at(n, 10 * n + noise()[0], noise()[1]) for n in range(300)]
    second = [fix_at(300 + n, 3000 + noise()[0], noise()[1]) for n in range(seconds)]
    last = [fix_at(300 + seconds + n, 3000 + noise()[0], 10 * n + noise()[1]) for n in range(301)]
    assert sum_of_steps(second) > 10 * seconds
    fixes = [*first, *second, *last]
    drive = summary_of([*first, *last]).distance
    assert summary_of(fixes).distance == pytest.approx(drive, abs=60)


def test_flagged_fixes_count_for_nothing():
    fixes = Streets(4).fixes(5, 10)
    alone = summary_of(fixes)
    wrong = [
        fix_at(5 * n + 1, 90_000 * n, flags=flags)
        for n, flags in enumerate([Flags.JUMP, Flags.MOCK, Flags.INACCURATE])
    ]
    both = summary_of(sorted([*fixes, *wrong], key=lambda fix: fix.recorded_at))
    assert (both.distance, both.stops, both.gaps) == (alone.distance, alone.stops, alone.gaps)


def test_wrong_places_that_are_found_do_not_lengthen_a_drive():
    streets = Streets(5)
    fixes = streets.fixes(5, 10)
    fixes[20:180:20] = [
        msgspec.structs.replace(fix, latitude=fix.latitude + 0.05) for fix in fixes[20:180:20]
    ]
    assert sum_of_steps(fixes) > 5 * streets.length
    found = [msgspec.structs.replace(fix, flags=flags) for fix, flags in flagged(fixes)]
    assert summary_of(found).distance == pytest.approx(streets.length, rel=0.02)


@pytest.mark.parametrize("count", [0, 1])
def test_track_of_no_length_has_none(count):
    summary = summary_of(fix_at(n) for n in range(count))
    assert (summary.distance, summary.stops, summary.gaps) == (0, [], [])


def test_track_of_flagged_fixes_alone_is_empty():
    fixes = [fix_at(100 * n, 1000 * n, mock=True, flags=Flags.MOCK) for n in range(9)]
    summary = summary_of(fixes)
    assert (summary.distance, summary.stops, summary.gaps) == (0, [], [])


def test_distance_of_two_fixes_is_the_step_between():
    assert summary_of([fix_at(0), fix_at(5, 300, 400)]).distance == pytest.approx(500, rel=1e-4)


# Stops.


def drive(begin, end, start, speed=10.0, interval=5, noise=lambda: (0.0, 0.0)):
    """Return the fixes of a drive to the north from `start` metres."""
    fixes = []
    for second in range(begin, end + 1, interval):
        north, east = noise()
        fixes.append(fix_at(second, start + speed * (second - begin) + north, east))
    return fixes


def stop_at(summary, north=0.0, east=0.0, within=15.0):
    (stop,) = summary.stops
    where = fix_at(0, north, east)
    assert distance(stop.latitude, stop.longitude, where.latitude, where.longitude) <= within
    assert stop.seconds == (stop.until - stop.since).total_seconds()
    return stop


@pytest.mark.parametrize("interval", [1, 5, 15])
def test_stop_has_its_place_and_its_times(interval):
    noise = white_noise(5)
    fixes = [
        *drive(0, 595, -6000, interval=interval, noise=noise),
        *standing(600, 1200, interval, noise),
        *drive(1205, 1800, 50, interval=interval, noise=noise),
    ]
    stop = stop_at(summary_of(fixes))
    assert abs(stop.since - at(600)) <= timedelta(seconds=15)
    assert abs(stop.until - at(1200)) <= timedelta(seconds=15)


@pytest.mark.parametrize(("seconds", "stops"), [(90, 0), (115, 0), (130, 1)])
def test_stop_takes_two_minutes(seconds, stops):
    fixes = [
        *drive(0, 100, -2000, speed=20),
        *standing(101, 100 + seconds, 1, white_noise(1)),
        *drive(101 + seconds, 200 + seconds, 60, speed=20),
    ]
    assert len(summary_of(fixes).stops) == stops


def test_stop_at_either_end_of_a_track_counts():
    fixes = [
        *standing(0, 300),
        *drive(305, 600, 60),
        *[
            msgspec.structs.replace(fix, latitude=fix.latitude + 3100 / METRES_PER_DEGREE)
            for fix in standing(605, 1000)
        ],
    ]
    first, second = summary_of(fixes).stops
    assert (first.since, second.until) == (at(0), at(1000))


@pytest.mark.parametrize("metres", [70, 95, 300, 900])
@pytest.mark.parametrize("count", [1, 3])
def test_fixes_that_stray_do_not_split_a_stop(metres, count):
    fixes = standing(0, 3600)
    for at_index in (100, 300, 500):
        for n in range(at_index, at_index + count):
            fixes[n] = fix_at(5 * n, metres, metres / 10)
    summary = summary_of(fixes)
    assert stop_at(summary).seconds == 3600
    assert summary.distance < 1


def test_short_errand_splits_a_stop():
    fixes = [
        *standing(0, 600),
        *drive(605, 640, 50, speed=20),
        *drive(645, 680, 750, speed=-20),
        *standing(685, 1200),
    ]
    summary = summary_of(fixes)
    assert len(summary.stops) == 2
    assert summary.distance == pytest.approx(1500, abs=60)


def test_errand_between_two_rare_fixes_counts():
    fixes = [fix_at(150 * n, 1700 if n == 4 else 0) for n in range(9)]
    summary = summary_of(fixes)
    assert summary.distance == pytest.approx(3400, rel=0.01)
    assert len(summary.stops) == 2


def test_stop_goes_on_through_a_gap_at_the_same_place():
    fixes = [*standing(0, 300), *standing(30_000, 30_300)]
    summary = summary_of(fixes)
    assert stop_at(summary).seconds == 30_300
    assert [gap.seconds for gap in summary.gaps] == [29_700]


def test_stop_beside_the_antimeridian_is_there():
    noise = white_noise(10)
    edge = (-16.8, 180.0)
    fixes = [fix_at(5 * n, *noise(), edge) for n in range(200)]
    summary = summary_of(fixes)
    (stop,) = summary.stops
    assert distance(stop.latitude, stop.longitude, *edge) < 5
    assert -180 <= stop.longitude <= 180
    assert summary.distance < 1


# Gaps.


def test_gap_is_longer_than_the_limit_and_has_its_straight_distance():
    fixes = [fix_at(0), fix_at(60, 600), fix_at(121, 600, 800), fix_at(125, 600, 840)]
    (gap,) = summary_of(fixes).gaps
    assert (gap.since, gap.until, gap.seconds) == (at(60), at(121), 61)
    assert gap.distance == pytest.approx(800, rel=1e-3)
    assert len(summary_of(fixes, gap_after=30.0).gaps) == 2
    assert summary_of(fixes, gap_after=61.0).gaps == []


def test_distance_has_the_straight_line_across_a_gap():
    fixes = [fix_at(0), fix_at(5, 100), fix_at(3600, 20_100), fix_at(3605, 20_200)]
    assert summary_of(fixes).distance == pytest.approx(20_200, rel=1e-3)


def test_flagged_fixes_do_not_end_a_gap():
    fixes = [fix_at(0), fix_at(50, 5, flags=Flags.INACCURATE), fix_at(100, 10)]
    assert [gap.seconds for gap in summary_of(fixes).gaps] == [100]


# Form.


def test_stops_and_gaps_have_the_keys_of_the_contract():
    stop = Stop(31.5, 120.3, at(0), at(150.5), 150.5)
    gap = Gap(at(0), at(90), 90.0, 1200.0)
    assert msgspec.to_builtins([stop, gap]) == [
        {
            "lat": 31.5,
            "lon": 120.3,
            "from": "2026-01-31T12:00:00Z",
            "to": "2026-01-31T12:02:30.500000Z",
            "seconds": 150.5,
        },
        {
            "from": "2026-01-31T12:00:00Z",
            "to": "2026-01-31T12:01:30Z",
            "seconds": 90.0,
            "distance": 1200.0,
        },
    ]
    assert stop.since.tzinfo is UTC


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.001, 500),
            st.floats(-500, 500),
            st.floats(-500, 500),
            st.sampled_from([None, 3.0, 90.0]),
            st.sampled_from([Flags(0), Flags(0), Flags.JUMP]),
        ),
        max_size=60,
    )
)
def test_any_track_is_no_longer_than_its_steps_and_its_stops_are_in_order(steps):
    second = north = east = 0.0
    fixes = []
    for seconds, more_north, more_east, accuracy, flags in steps:
        second, north, east = second + seconds, north + more_north, east + more_east
        fixes.append(fix_at(second, north, east, accuracy=accuracy, flags=flags))
    summary = summary_of(fixes)
    good = [fix for fix in fixes if not fix.flags]
    assert 0 <= summary.distance <= sum_of_steps(good) * 1.001 + 0.01
    assert all(stop.seconds >= 120 for stop in summary.stops)
    assert all(one.until <= other.since for one, other in pairwise(summary.stops))
    assert all(gap.seconds > 60 for gap in summary.gaps)
    assert all(one.until <= other.since for one, other in pairwise(summary.gaps))
