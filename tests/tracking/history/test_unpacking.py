"""Unpacking an hour, or its last fixes alone."""

import zlib
from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.history.packing import BLOCK, CorruptSegment, pack, unpack, unpack_last

from .tracks import NOON, drive, track_fix


@given(
    seconds=st.sets(st.integers(0, 3_599_999), min_size=1, max_size=40),
    latitudes=st.lists(st.integers(-900_000_000, 900_000_000), min_size=40, max_size=40),
    until=st.integers(-1, 3_600_000),
    count=st.integers(1, 5),
)
def test_last_fixes_of_a_segment_are_those_of_the_whole(seconds, latitudes, until, count):
    fixes = [
        track_fix(second / 1000, latitude / 10_000_000, speed=latitude % 400 / 10)
        for second, latitude in zip(sorted(seconds), latitudes, strict=False)
    ]
    time = NOON + timedelta(milliseconds=until)
    whole = [fix for fix in fixes if fix.recorded_at <= time]
    assert unpack(pack(fixes, NOON), NOON) == fixes
    assert unpack_last(pack(fixes, NOON), NOON, time, count) == whole[-count:]


@given(
    rng=st.randoms(use_true_random=False),
    total=st.integers(1, 3 * BLOCK),
    steps=st.sampled_from([(0,), (7,), (-40, 40), (-90_000, 90_000)]),
    index=st.integers(0, 3 * BLOCK),
    count=st.sampled_from([1, 2, BLOCK]),
)
def test_last_fixes_of_several_blocks_are_those_of_the_whole(rng, total, steps, index, count):
    """Columns that do not change, that change evenly, a little or much are encoded differently."""

    def column(start):
        return list(accumulate((rng.choice(steps) for _ in range(total - 1)), initial=start))

    fixes = [
        track_fix(
            n * 4 + rng.random(),
            latitude / 10_000_000,
            longitude / 10_000_000,
            heading=float(abs(latitude) % 360),
            battery=rng.choice([None, 50, 51]),
            mock=rng.random() < 0.1,
        )
        for n, (latitude, longitude) in enumerate(zip(column(10**8), column(-(10**8)), strict=True))
    ]
    data, time = pack(fixes, NOON), fixes[min(index, total - 1)].recorded_at
    whole = [fix for fix in unpack(data, NOON) if fix.recorded_at <= time]
    assert unpack_last(data, NOON, time, count) == whole[-count:]
    assert unpack(data, NOON) == fixes


def test_last_fixes_may_be_of_several_blocks():
    fixes = drive(3 * BLOCK + 7, seconds=1, speed=10.0)
    data = pack(fixes, NOON)
    assert unpack(data, NOON) == fixes
    for index in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3, len(fixes) - 1):
        time = fixes[index].recorded_at
        for count in (1, 5, BLOCK + 5, len(fixes) + 1):
            assert unpack_last(data, NOON, time, count) == fixes[: index + 1][-count:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02" + pack(drive(3), NOON)[1:],
        pack(drive(3), NOON)[:-3],
        b"\x01" + zlib.compress(b"\x07"),
        b"\x01" + zlib.compress(zlib.decompress(pack(drive(3), NOON)[1:])[:-9]),
    ],
)
def test_damaged_segments_are_reported(data):
    with pytest.raises(CorruptSegment):
        unpack(data, NOON)
    with pytest.raises(CorruptSegment):
        unpack_last(data, NOON, NOON, 1)
