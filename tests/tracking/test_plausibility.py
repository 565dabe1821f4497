"""Flags of implausible fixes, in drives that are made up and in pieces of real ones."""

import csv
import os
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from math import cos, radians, sin
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.test_taxis import BESIDE as BESIDE_PROJECT
from tests.e2e.test_taxis import VARIABLE
from tracking.geo import METRES_PER_DEGREE, metres_per_degree_east
from tracking.history.fixes import TrackFix
from tracking.plausibility import (
    BESIDE,
    MAX_WAITING,
    Flags,
    flagged,
    is_inaccurate,
    is_jump,
    judge,
)

from .fakes import NOON

GOOD, JUMP, MOCK, INACCURATE = Flags(0), Flags.JUMP, Flags.MOCK, Flags.INACCURATE
WUXI = 31.5, 120.3

TAXIS = Path(os.environ.get(VARIABLE) or BESIDE_PROJECT)


def fix_at(second, north=0.0, east=0.0, *, delay=0.3, place=WUXI, **rest):
    """Return a fix some metres from a place; without a delay it is timed by its arrival."""
    latitude, longitude = place
    at = NOON + timedelta(seconds=second)
    longitude += east / metres_per_degree_east(latitude)
    return TrackFix(
        at,
        at + timedelta(seconds=delay),
        latitude + north / METRES_PER_DEGREE,
        (longitude + 180) % 360 - 180,
        **rest,
    )


def drive(count, interval=5, speed=15.0, **rest):
    """Return the fixes of a drive to the north."""
    return [fix_at(interval * n, interval * n * speed, **rest) for n in range(count)]


def moved(fix, metres, bearing=0.0, **changes):
    latitude = fix.latitude + metres * cos(radians(bearing)) / METRES_PER_DEGREE
    east = metres * sin(radians(bearing)) / metres_per_degree_east(latitude)
    return msgspec.structs.replace(
        fix, latitude=latitude, longitude=fix.longitude + east, **changes
    )


def flags_of(fixes):
    found = list(flagged(fixes))
    assert [fix for fix, _ in found] == list(fixes)
    return [flags for _, flags in found]


def positions(fixes, flag):
    return [position for position, flags in enumerate(flags_of(fixes)) if flags == flag]


# Steps.


@pytest.mark.parametrize(
    ("seconds", "metres", "jump"),
    [
        (1, 160, False),  # 80 m of noise on either side
        (1, 1000, True),
        (5, 500, False),
        (5, 600, True),
        (60, 4000, False),
        (60, 5000, True),
        (0, 160, False),
        (0, 300, True),
        (12 * 3600, 1_000_000, False),
    ],
)
def test_jump_is_faster_than_any_car(seconds, metres, jump):
    before, after = fix_at(0), fix_at(seconds, metres)
    assert is_jump(before, after) is is_jump(after, before) is jump


def test_reported_accuracies_allow_for_a_longer_step():
    assert is_jump(fix_at(0), fix_at(1, 400))
    assert not is_jump(fix_at(0, accuracy=80.0), fix_at(1, 400, accuracy=90.0))


def test_step_across_the_antimeridian_is_as_long_as_it_is():
    fiji = -16.8, 179.9999
    assert not is_jump(fix_at(0, place=fiji), fix_at(5, 0, 100, place=fiji))
    assert is_jump(fix_at(0, place=fiji), fix_at(5, 0, 1000, place=fiji))


def test_arrival_times_allow_for_delays_of_the_network():
    assert not is_jump(fix_at(0, delay=0), fix_at(5, 700, delay=0))
    assert is_jump(fix_at(0, delay=0), fix_at(5, 900, delay=0))


# Jumps of a track.


@pytest.mark.parametrize("interval", [1, 5, 60])
@pytest.mark.parametrize("at", [1, 7, 18])
@pytest.mark.parametrize("delay", [0, 0.3])
def test_jump_there_and_back_is_flagged(interval, at, delay):
    fixes = drive(20, interval, delay=delay)
    fixes[at] = moved(fixes[at], 10_000, 45)
    assert positions(fixes, JUMP) == [at]


def test_several_jumps_there_and_back_are_flagged():
    fixes = drive(40)
    wrong = [3, 5, 20, 30]
    for at in wrong:
        fixes[at] = moved(fixes[at], 3000, 10 * at)
    assert positions(fixes, JUMP) == wrong


@settings(deadline=None)
@given(
    st.integers(1, 18),
    st.floats(1500, 1_000_000),
    st.floats(0, 360),
    st.sampled_from([1, 2, 5, 10]),
    st.floats(0, 40),
)
def test_one_wrong_place_is_flagged_and_nothing_else(at, metres, bearing, interval, speed):
    fixes = drive(20, interval, speed)
    fixes[at] = moved(fixes[at], metres, bearing)
    assert positions(fixes, JUMP) == [at]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-80, 80), st.floats(-80, 80)), min_size=3, max_size=40))
def test_noise_is_never_flagged(noise):
    fixes = [fix_at(n, 10 * n + north, east) for n, (north, east) in enumerate(noise)]
    assert set(flags_of(fixes)) == {GOOD}


@pytest.mark.parametrize("after", [1, 2, 10])
def test_jump_without_a_return_is_not_flagged(after):
    fixes = drive(10)
    there = [moved(fix, 50_000) for fix in drive(10 + after)[10:]]
    assert set(flags_of([*fixes, *there])) == {GOOD}


def test_return_after_several_fixes_is_not_flagged():
    fixes = drive(20)
    fixes[8:11] = [moved(fix, 50_000) for fix in fixes[8:11]]
    assert set(flags_of(fixes)) == {GOOD}


def test_wrong_place_at_either_end_of_the_track_is_not_flagged():
    fixes = drive(10)
    assert set(flags_of([moved(fixes[0], 9000), *fixes[1:]])) == {GOOD}
    assert set(flags_of([*fixes[:-1], moved(fixes[-1], 9000)])) == {GOOD}


def test_slow_return_is_a_drive():
    fixes = [fix_at(0), fix_at(5, 3000), fix_at(300, 10), fix_at(305, 20)]
    assert set(flags_of(fixes)) == {GOOD}


@pytest.mark.parametrize("delay", [0, 0.3])
def test_track_that_is_too_fast_as_a_whole_is_not_flagged(delay):
    fixes = [fix_at(n, 2000 * n, 300 * (n % 3), delay=delay) for n in range(200)]
    assert all(is_jump(before, after) for before, after in pairwise(fixes))
    assert set(flags_of(fixes)) == {GOOD}


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-1500, 1500), st.floats(-1500, 1500)), min_size=3, max_size=30))
def test_burst_of_arrivals_is_never_flagged(places):
    """Fixes of some minutes each come out of a tunnel within milliseconds."""
    burst = [fix_at(300 + n / 500, *place, delay=0) for n, place in enumerate(places)]
    later = [fix_at(360 + 60 * n, *places[-1], delay=0) for n in range(3)]
    assert set(flags_of([fix_at(0, delay=0), *burst, *later])) == {GOOD}


# Mocked and inaccurate fixes.


def test_mocked_fix_is_flagged_wherever_it_is():
    fixes = drive(5)
    fixes[2] = msgspec.structs.replace(fixes[2], mock=True)
    assert flags_of(fixes) == [GOOD, GOOD, MOCK, GOOD, GOOD]


def test_mocked_fixes_are_no_part_of_a_jump():
    fixes = drive(8)
    fixes[3] = moved(fixes[3], 5000)
    fixes[4] = moved(fixes[4], 90_000, mock=True)
    fixes[5] = moved(fixes[5], -90_000, mock=True)
    assert flags_of(fixes) == [GOOD, GOOD, GOOD, JUMP, MOCK, MOCK, GOOD, GOOD]


@pytest.mark.parametrize(
    ("better", "seconds", "flags"),
    [
        (10.0, 5, INACCURATE),
        (100.0, 60, INACCURATE),
        (10.0, 61, GOOD),
        (101.0, 5, GOOD),
        (None, 5, GOOD),
    ],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_inaccurate_fix_is_flagged_beside_a_better_one(better, seconds, flags, earlier):
    fixes = [
        fix_at(100, accuracy=1500.0),
        fix_at(100 + (-seconds if earlier else seconds), accuracy=better),
    ]
    assert is_inaccurate(*fixes) is (flags is not GOOD)
    fixes.sort(key=lambda fix: fix.recorded_at)
    assert flags_of(fixes) == ([GOOD, flags] if earlier else [flags, GOOD])


def test_track_without_better_fixes_is_not_inaccurate():
    assert set(flags_of(drive(30, 60, accuracy=500.0))) == {GOOD}


def test_mocked_fix_is_no_better_one():
    fixes = [fix_at(0, accuracy=500.0), fix_at(1, accuracy=3.0, mock=True)]
    assert flags_of(fixes) == [GOOD, MOCK]


def test_mocked_fix_of_bad_accuracy_is_mocked():
    fixes = [
        fix_at(0, accuracy=500.0),
        fix_at(1, accuracy=500.0, mock=True),
        fix_at(2, accuracy=5.0),
    ]
    assert flags_of(fixes) == [INACCURATE, MOCK, GOOD]


def test_fixes_after_an_inaccurate_one_keep_their_order_and_flags():
    fixes = [
        fix_at(0, accuracy=900.0),
        fix_at(10),
        fix_at(20, mock=True),
        fix_at(40, accuracy=800.0),
        fix_at(90, accuracy=5.0),
    ]
    assert flags_of(fixes) == [GOOD, GOOD, MOCK, INACCURATE, GOOD]


def test_inaccurate_fix_is_no_part_of_a_jump():
    fixes = drive(7, accuracy=5.0)
    fixes[2] = moved(fixes[2], 3000)
    fixes[3] = moved(fixes[3], 2000, accuracy=3000.0)
    assert flags_of(fixes) == [GOOD, GOOD, JUMP, INACCURATE, GOOD, GOOD, GOOD]


# Streams.

ANY_FIXES = st.lists(
    st.tuples(
        st.floats(0.001, 90),
        st.floats(-4000, 4000),
        st.sampled_from([None, 5.0, 500.0]),
        st.booleans(),
        st.sampled_from([0, 0.3]),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(ANY_FIXES)
def test_each_fix_comes_once_in_order_and_is_mock_if_it_is_mocked(values):
    second, fixes = 0.0, []
    for step, north, accuracy, mock, delay in values:
        second += step
        fixes.append(fix_at(second, north, accuracy=accuracy, mock=mock, delay=delay))
    for fix, flags in zip(fixes, flags_of(fixes), strict=True):
        assert (flags == MOCK) is fix.mock
        assert flags != INACCURATE or fix.accuracy == 500.0


@pytest.mark.parametrize(
    "first",
    [
        [fix_at(0), fix_at(1, 9000)],  # may jump back
        [fix_at(0, accuracy=900.0)],  # a better one may follow
    ],
)
def test_number_of_fixes_that_wait_is_bounded(first):
    taken = 0

    def endless():
        nonlocal taken
        yield from first
        while True:
            taken += 1
            yield fix_at(1 + taken / 1000, mock=True)

    found = flagged(endless())
    for _ in first:
        assert next(found)[1] == GOOD
    assert taken <= MAX_WAITING + 1


# Live fixes.


def test_first_fix_moves_the_dot():
    assert judge(fix_at(0, accuracy=900.0), None) == GOOD


def test_fix_that_jumps_is_suspected_and_the_next_one_decides():
    good, suspect = fix_at(0), fix_at(5, 9000)
    assert judge(suspect, good) == JUMP
    back, there, elsewhere = fix_at(10, 100), fix_at(10, 9100), fix_at(10, -9000)
    assert judge(back, good, suspect) == GOOD
    assert judge(there, good, suspect) == GOOD
    assert judge(elsewhere, good, suspect) == GOOD


@pytest.mark.parametrize("suspect", [None, fix_at(5, 9000)])
def test_mocked_fix_does_not_move_the_dot(suspect):
    assert judge(fix_at(6, mock=True), None) == MOCK
    assert judge(fix_at(6, mock=True), fix_at(0), suspect) == MOCK


def test_inaccurate_fix_does_not_move_the_dot_soon_after_a_better_one():
    good = fix_at(0, accuracy=8.0)
    assert judge(fix_at(10, 800, accuracy=1500.0), good) == INACCURATE
    later = fix_at(BESIDE.total_seconds() + 1, 800, accuracy=1500.0)
    assert judge(later, good) == GOOD


# Real fixes. Source: the data of the CoST project (github.com/liikeuforever/CoST), MIT licence.


def real(text):
    fixes = []
    for line in text.strip().splitlines():
        time, latitude, longitude = line.split()
        at = datetime.fromisoformat(f"2020-07-18T{time}Z")
        late = at + timedelta(seconds=1)
        fixes.append(TrackFix(at, late, float(latitude), float(longitude)))
    return fixes


LATE = real("""
    11:01:21 31.323095  121.0693049
    11:05:11 31.3335783 121.005465
    11:10:52 31.3468983 120.95182
    11:14:01 31.3528633 120.8451133
    11:17:41 31.3710783 120.781425
""")
FROZEN = real("""
    21:46:25 31.5718333 120.3287083
    21:47:25 31.5718333 120.3287083
    21:48:17 31.5718333 120.3287083
    21:49:09 31.5718333 120.3287083
    21:50:01 31.5718333 120.3287083
    21:51:35 31.5442966 120.2871766
    21:52:28 31.5433733 120.2807033
    21:53:19 31.5433249 120.280035
""")
MOTORWAY = real("""
    14:36:42 31.9249533 121.2945116
    14:39:13 31.9275833 121.2432783
    14:41:50 31.9318716 121.1872033
    14:44:23 31.9311833 121.1366016
""")
THERE_AND_BACK = real("""
    22:55:54 31.7580699 120.2491133
    22:58:24 31.7729266 120.25277
    23:01:10 31.7580416 120.2493199
    23:03:51 31.7717633 120.2521816
""")


@pytest.mark.parametrize("fixes", [LATE, FROZEN, MOTORWAY, THERE_AND_BACK])
def test_real_drive_is_not_flagged(fixes):
    assert set(flags_of(fixes)) == {GOOD}


@pytest.fixture(scope="module")
def taxis():
    """Return the fixes of all taxis of the file, by taxi."""
    if not TAXIS.exists():
        pytest.skip(f"The fixes of real taxis are missing: neither {VARIABLE} nor {TAXIS} has any")
    fixes = defaultdict(list)
    with TAXIS.open(newline="") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["recorded_at"])
            place = float(row["latitude"]), float(row["longitude"])
            fixes[row["vehicle"]].append(TrackFix(at, at + timedelta(seconds=1), *place))
    return list(fixes.values())


def test_no_fix_of_a_real_taxi_is_flagged(taxis):
    assert not any(flags for fixes in taxis for _, flags in flagged(fixes))


def test_real_taxis_with_a_wrong_place_each_have_it_flagged(taxis):
    for fixes in taxis:
        at = len(fixes) // 2
        if not 0 < at < len(fixes) - 1:
            continue
        # Further than a car gets in the time of either step.
        seconds = max(
            (fixes[at].recorded_at - fixes[at - 1].recorded_at).total_seconds(),
            (fixes[at + 1].recorded_at - fixes[at].recorded_at).total_seconds(),
        )
        changed = [*fixes]
        changed[at] = moved(fixes[at], 1000 + 140 * seconds, 30 * at)
        assert positions(changed, JUMP) == [at]


def test_day_that_is_replayed_in_a_quarter_of_an_hour_is_hardly_flagged(taxis):
    count = jumps = 0
    for fixes in taxis:
        begin = fixes[0].recorded_at
        length = (fixes[-1].recorded_at - begin).total_seconds()
        replay = [
            msgspec.structs.replace(
                fix, recorded_at=begin + (fix.recorded_at - begin) * 900 / length
            )
            for fix in fixes
            if length
        ]
        jumps += len(positions(replay, JUMP))
        count += len(replay)
    assert jumps < 0.01 * count
