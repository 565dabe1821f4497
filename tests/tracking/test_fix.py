import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking import fix as fix_module
from tracking.fix import ArrivalClock, Fix

from .fakes import NOON, Scheduled, fix_of

MICROSECOND = timedelta(microseconds=1)


def after_noon(seconds):
    return None if seconds is None else NOON + timedelta(seconds=seconds)


def at(recorded, received, latitude=0.0, disconnected=None, **rest):
    return Fix(
        19,
        latitude,
        0.0,
        after_noon(recorded),
        after_noon(received),
        disconnected_at=after_noon(disconnected),
        **rest,
    )


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (at(2, 2), at(1, 1), True),
        (at(1, 1), at(2, 2), False),
        (at(2, 2), at(1, 3), True),
        (at(1, 2), at(2, 2), False),
        (at(1, 2, latitude=5.0), at(1, 1), True),
        (at(1, 1, latitude=5.0), at(1, 2), False),
        (at(1, 1, latitude=5.0), at(1, 1), False),
        (at(1, 2, heading=0.0), at(1, 1), True),
        (at(1, 2, speed=2.0), at(1, 1, speed=1.0), True),
        (at(1, 2), at(1, 1, accuracy=4.0), True),
        (at(1, 1, speed=2.0), at(1, 2, speed=1.0), False),
    ],
)
def test_the_devices_clock_decides_which_fix_is_newer_and_then_arrival(one, other, newer):
    assert (one.merged_with(other) is not other) is newer


@pytest.mark.parametrize(("received", "news"), [(1, False), (2, False), (3, True)])
def test_the_same_fix_again_says_that_the_phone_was_heard(received, news):
    first = at(1, 2)
    again = at(1, received)
    assert (again.merged_with(first) is not first) is news
    merged = again.merged_with(first)
    assert not merged.is_elsewhere(first)
    assert merged.heard == after_noon(max(2, received))


def test_a_late_fix_says_that_the_phone_was_heard_and_leaves_the_place():
    place, late = at(5, 5, latitude=1.0), at(1, 9, latitude=2.0)
    merged = late.merged_with(place)
    assert merged == msgspec.structs.replace(place, heard_at=after_noon(9))
    assert merged == place.merged_with(late)
    assert late.merged_with(merged) is merged


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (at(1, 1, disconnected=9), at(1, 1), True),
        (at(1, 1), at(1, 1, disconnected=9), False),
        (at(1, 1, disconnected=9), at(1, 1, disconnected=9), False),
        (at(1, 1, disconnected=9), at(1, 10), False),
        (at(1, 10), at(1, 1, disconnected=9), True),
        (at(0, 10), at(1, 1, disconnected=9), True),
        (at(2, 2), at(1, 1, disconnected=9), True),
        (at(1, 1, disconnected=9), at(2, 2), True),
    ],
)
def test_a_departure_stands_until_the_phone_is_heard_again(one, other, newer):
    assert (one.merged_with(other) is not other) is newer
    left = {fix.disconnected_at for fix in (one, other)} - {None}
    heard = max(one.heard, other.heard)
    merged = one.merged_with(other)
    assert merged.disconnected_at == (left.pop() if max(left) >= heard else None)
    assert merged.heard == heard


MOMENTS = st.sampled_from([0, 1, 2, 3])


@st.composite
def any_fix(draw):
    recorded, received = sorted([draw(MOMENTS), draw(MOMENTS)])
    heard = draw(st.none() | st.sampled_from([4, 5]))
    # A connection ends after its phone was last heard.
    left = draw(st.none() | st.just(max(received, heard or 0) + draw(MOMENTS)))
    # Arrival times are unique, so the place may be derived from the times.
    fix = at(recorded, received, latitude=recorded + received / 10, disconnected=left)
    return msgspec.structs.replace(fix, heard_at=after_noon(heard))


@given(st.lists(any_fix(), min_size=1, max_size=5), st.randoms())
def test_what_is_known_does_not_depend_on_the_order_of_arrival(fixes, random):
    def known(fixes):
        result = None
        for fix in fixes:
            result = fix.merged_with(result)
        return fixes[0].merged_with(result)

    shuffled = fixes.copy()
    random.shuffle(shuffled)
    assert known(fixes) == known(shuffled)


def test_any_fix_is_newer_than_none():
    assert at(1, 1).merged_with(None) == at(1, 1)


def test_a_fix_does_not_change():
    with pytest.raises(AttributeError):
        fix_of().latitude = 3.0


@pytest.mark.parametrize("encoder", [msgspec.json, msgspec.msgpack])
@pytest.mark.parametrize("second", [0, 0.5, 0.000001, 59.999999])
def test_a_fix_survives_encoding_to_the_microsecond(encoder, second):
    fix = fix_of(second=second, accuracy=5.5, heading=0.0, speed=0.1)
    assert encoder.decode(encoder.encode(fix), type=Fix) == fix


def test_arrivals_are_aware_utc_and_close_to_now():
    before = datetime.now(UTC)
    arrival = ArrivalClock().now()
    assert arrival.tzinfo is UTC
    assert before <= arrival <= datetime.now(UTC)


def test_arrivals_never_repeat():
    clock = ArrivalClock()
    arrivals = [clock.now() for _ in range(10_000)]
    assert all(earlier < later for earlier, later in itertools.pairwise(arrivals))


def test_arrivals_keep_their_order_when_the_system_clock_is_set_back(monkeypatch):
    minutes = [0, -60, -59, 0, 1]
    times = [NOON + timedelta(minutes=minute) for minute in minutes]
    monkeypatch.setattr(fix_module, "datetime", Scheduled(*times))
    clock = ArrivalClock()
    assert [clock.now() for _ in minutes] == [
        NOON,
        NOON + MICROSECOND,
        NOON + 2 * MICROSECOND,
        NOON + 3 * MICROSECOND,
        NOON + timedelta(minutes=1),
    ]
