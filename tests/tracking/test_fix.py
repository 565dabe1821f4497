import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tracking import fix as fix_module
from tracking.fix import ArrivalClock, Fix, FutureTimes

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
        (at(1, 3), at(2, 2), False),
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
    assert one.is_newer_than(other) is newer


@pytest.mark.parametrize("received", [1, 2, 3])
def test_the_same_fix_again_is_no_news(received):
    assert not at(1, received).is_newer_than(at(1, 2))


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (at(1, 1, disconnected=9), at(1, 1), True),
        (at(1, 1), at(1, 1, disconnected=9), False),
        (at(1, 1, disconnected=9), at(1, 1, disconnected=9), False),
        (at(1, 1, disconnected=9), at(2, 2), False),
        (at(2, 2), at(1, 1, disconnected=9), True),
        (at(1, 1, disconnected=9), at(1, 2), False),
        (at(1, 2), at(1, 1, disconnected=9), True),
    ],
)
def test_a_departure_follows_its_fix_and_is_followed_by_any_sign_of_life(one, other, newer):
    assert one.is_newer_than(other) is newer


def test_any_fix_is_newer_than_none():
    assert at(1, 1).is_newer_than(None)


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


def test_a_time_in_the_future_is_read_again_as_before_for_each_driver(monkeypatch):
    monkeypatch.setattr(fix_module, "MOST_FUTURE_TIMES", 2)
    times = FutureTimes()
    ahead = after_noon(300)
    assert times.read(19, ahead, after_noon(1)) == after_noon(1)
    assert times.read(20, ahead, after_noon(2)) == after_noon(2)
    assert times.read(19, ahead, after_noon(3)) == after_noon(1)
    for second in (4, 5):
        times.read(21, after_noon(300 + second), after_noon(second))
    assert times.read(19, ahead, after_noon(6)) == after_noon(6)
