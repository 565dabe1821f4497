"""Corrections of a device's clock, with phones that are right, behind or ahead."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.device_clock import DeviceClock

from .fakes import NOON

HOUR = 3600.0
WEEK = 7 * 24 * HOUR


def at(second):
    return NOON + timedelta(seconds=second)


class Phone:
    """A device whose clock is `behind` seconds behind."""

    def __init__(self, behind=0.0, clock=None):
        self.behind = behind
        self.clock = clock or DeviceClock()

    def report(self, second, age=0.0, *, latency=0.1, sent=False, **rest):
        """Report a fix measured `age` seconds before; return its corrected age in seconds."""
        now = at(second + latency)
        says = timedelta(seconds=-self.behind)
        corrected = self.clock.correct(
            now,
            at(second - age) + says,
            sent=at(second) + says if sent else None,
            **rest,
        )
        assert corrected <= now
        return (now - corrected).total_seconds()


def test_right_clock_is_believed():
    phone = Phone()
    assert [phone.report(5 * n) for n in range(20)] == [0.1] * 20
    assert phone.clock.offset is None


@pytest.mark.parametrize("behind", [3600, 90 * 60, 3 * 365 * 24 * HOUR, 10])
def test_constant_lag_in_real_time_is_a_wrong_clock_from_the_fifth_fix(behind):
    phone = Phone(behind)
    ages = [phone.report(5 * n) for n in range(6)]
    assert ages[:4] == [behind + 0.1] * 4
    assert ages[4:] == [0.0, 0.0]
    assert phone.clock.offset == behind + 0.1


def test_lag_is_the_same_if_the_network_is_not_punctual():
    phone = Phone(HOUR)
    latencies = [0.1, 1.2, 0.05, 0.6, 0.3, 0.2]
    ages = [phone.report(5 * n, latency=latency) for n, latency in enumerate(latencies)]
    assert ages[4] == pytest.approx(0.25)
    assert phone.clock.offset == pytest.approx(HOUR + 0.05)


@pytest.mark.parametrize("pace", [2, 5, 20, 200])
@pytest.mark.parametrize("interval", [1, 5, 30])
def test_shrinking_lag_is_a_backlog(pace, interval):
    """A phone sends four hours of fixes faster than it measured them."""
    phone = Phone()
    for n in range(100):
        second = n * interval / pace
        age = 4 * HOUR - n * interval + second
        assert phone.report(second, age) == pytest.approx(age + 0.1)
    assert phone.clock.offset is None


@pytest.mark.parametrize("interval", [0.2, 1, 5])
def test_burst_is_a_backlog(interval):
    phone = Phone()
    for n in range(10):
        phone.report(n / 1000, 60 - n * interval)
    assert phone.clock.offset is None


def test_growing_lag_is_a_backlog():
    """A slow network accepts fewer fixes than the phone measures."""
    phone = Phone()
    for n in range(50):
        age = 60 + 5 * n
        assert phone.report(10 * n, age) == age + 0.1
    assert phone.clock.offset is None


def test_batch_is_a_backlog():
    phone = Phone(HOUR)
    assert {phone.report(5 * n, batch=True) for n in range(20)} == {HOUR + 0.1}


@pytest.mark.parametrize("behind", [HOUR, -HOUR, 10, 365 * 24 * HOUR])
def test_message_that_says_when_it_was_sent_gives_the_offset_at_once(behind):
    phone = Phone(behind)
    assert phone.report(0, sent=True) == pytest.approx(0)
    assert phone.clock.offset == pytest.approx(behind + 0.1)


def test_backlog_of_a_phone_that_says_when_it_sends_is_as_old_as_it_is():
    phone = Phone(HOUR)
    ages = [phone.report(n / 10, 4 * HOUR - 5 * n, sent=True) for n in range(10)]
    assert ages == [pytest.approx(4 * HOUR - 5 * n) for n in range(10)]


def test_message_that_was_held_up_moves_no_clock():
    phone = Phone()
    phone.report(0, sent=True)
    # The network stalled, and all fixes arrive at once.
    for n in range(1, 7):
        assert phone.report(5 * n, latency=30 - 5 * n, sent=True) == pytest.approx(30 - 5 * n)
    assert phone.report(35, sent=True) == 0.1
    assert phone.clock.offset is None


def test_queue_of_an_app_that_stamps_messages_when_it_makes_them_is_a_backlog():
    phone = Phone()
    for n in range(20):
        held = 4 * HOUR - 60 * n
        age = phone.report(n / 5, held, latency=0.1, queued=True)
        assert age == pytest.approx(held + 0.1)
    assert phone.clock.offset is None


@pytest.mark.parametrize(("behind", "messages"), [(HOUR, 2), (-HOUR, 1), (60 * 24 * HOUR, 1)])
def test_app_that_stamps_messages_when_it_makes_them_has_its_clock_known_soon(behind, messages):
    phone = Phone(behind)
    ages = [phone.report(10 * n, sent=True, queued=True) for n in range(messages)]
    assert ages[-1] == pytest.approx(0)
    assert phone.clock.offset == pytest.approx(behind + 0.1)


def test_app_that_stamps_messages_reports_an_old_place_with_a_new_message():
    """OwnTracks does this on a timer while the phone does not move."""
    phone = Phone()
    for n in range(5):
        assert phone.report(60 * n, 60 * n, sent=True, queued=True) == 60 * n + 0.1


@pytest.mark.parametrize("ahead", [0.2, 3, HOUR, 1024 * WEEK, 5000 * 365 * 24 * HOUR])
def test_clock_that_is_ahead_is_corrected_at_once_and_what_was_held_back_stays_in_order(ahead):
    phone = Phone(-ahead)
    assert phone.report(0) == 0.0
    assert phone.report(5) == 0.0
    assert phone.report(6, 4) == pytest.approx(4, abs=0.11)
    assert phone.report(10) == 0.0


@pytest.mark.parametrize("rollovers", [1, 2])
def test_lost_count_of_weeks_is_corrected_at_once(rollovers):
    phone = Phone(rollovers * 1024 * WEEK)
    assert phone.report(0) == 0.1
    assert phone.report(5, 60) == 60.1


def test_lost_count_of_weeks_comes_before_a_wrong_clock_and_a_backlog():
    phone = Phone(1024 * WEEK + HOUR)
    assert [phone.report(5 * n) for n in range(6)][-1] == 0.0
    assert Phone(1024 * WEEK).report(0, 4 * HOUR) == 4 * HOUR + 0.1


def test_year_2003_is_a_wrong_clock():
    then = datetime(2003, 1, 1, tzinfo=UTC)
    phone = Phone((NOON - then).total_seconds())
    assert [phone.report(5 * n) for n in range(6)][-1] == 0.0


@pytest.mark.parametrize(("before", "fixes"), [(HOUR, 1), (-HOUR, 2)])
def test_clock_that_is_set_right_is_believed_soon(before, fixes):
    phone = Phone(before)
    for n in range(6):
        phone.report(5 * n)
    assert phone.clock.offset == pytest.approx(before, abs=0.2)
    phone.behind = 0.0
    ages = [phone.report(30 - 5 * n) for n in range(fixes - 1, -1, -1)]
    assert ages[-1] == pytest.approx(0.1)
    assert phone.clock.offset is None
    assert phone.report(31, 10) == pytest.approx(10.1)


def test_clock_that_is_set_wrong_is_detected():
    phone = Phone()
    phone.report(0)
    phone.behind = HOUR
    assert [phone.report(5 * n) for n in range(1, 7)][4:] == [0.0, 0.0]


def test_the_same_fix_again_is_as_old_as_it_was_and_no_evidence():
    phone = Phone(-HOUR)
    phone.report(0)
    for second in range(1, 30):
        assert phone.report(second, second) == pytest.approx(second)


def test_offset_from_before_is_used_at_once():
    phone = Phone(HOUR, DeviceClock(HOUR))
    assert phone.report(0) == 0.1
    assert phone.clock.offset == HOUR


def test_offset_of_another_device_is_dropped_at_once():
    phone = Phone(0, DeviceClock(HOUR))
    assert phone.report(0) == 0.1
    assert phone.report(5, 20) == 20.1
    phone = Phone(0, DeviceClock(-HOUR))
    assert [phone.report(0), phone.report(5)] == [HOUR + 0.1, 0.1]


def test_fix_that_was_held_back_by_a_clock_that_is_ahead_may_have_the_time_of_its_arrival():
    phone = Phone(-600)
    phone.report(0)
    assert phone.report(1, 602) == pytest.approx(602.1, abs=0.2)
    assert phone.report(5) == pytest.approx(0.0)


def test_time_that_cannot_be_corrected_is_an_overflow():
    clock = DeviceClock(-HOUR)
    with pytest.raises(OverflowError):
        clock.correct(NOON, datetime.min.replace(tzinfo=UTC))


@given(
    st.floats(-1e8, 1e8),
    st.lists(st.tuples(st.floats(0.001, 60), st.floats(0, 20), st.booleans()), max_size=40),
)
def test_what_a_device_sends_in_order_stays_in_order(behind, reports):
    """A newly found lag of the clock only moves later times forward, never back."""
    phone, second, arrived, corrected = Phone(behind), 0.0, 0.0, []
    for pause, latency, sent in reports:
        second += pause
        # A connection keeps the order.
        arrived = max(second + latency, arrived + 0.001)
        corrected.append(arrived - phone.report(second, latency=arrived - second, sent=sent))
    # To the microsecond, with the precision of floats.
    assert all(after > before - 1e-5 for before, after in pairwise(corrected))


@pytest.mark.parametrize("behind", [0.0, 600.0, -600.0])
def test_older_fixes_of_a_message_are_corrected_by_the_same_offset_and_keep_their_order(behind):
    clock = DeviceClock()
    now, says = at(100), timedelta(seconds=-behind)
    ages = [2, 30, 60]
    newest = clock.correct(now, at(98) + says, sent=at(100) + says, batch=True)
    older = [clock.correct_older(now, at(100 - age) + says) for age in ages[1:]]
    assert [(now - time).total_seconds() for time in (newest, *older)] == ages


@pytest.mark.parametrize("latency", [0.35, 1.2, 4.9])
def test_network_delay_does_not_move_any_fix_of_a_batch(latency):
    """Check that a batch which is sent again gets the same times, however long it takes."""
    clock, measured = DeviceClock(), [at(84), at(89), at(94), at(99)]
    now = at(100 + latency)
    newest = clock.correct(now, measured[-1], sent=at(100), batch=True)
    older = [clock.correct_older(now, time) for time in measured[-2::-1]]
    assert [newest, *older] == measured[::-1]
    assert clock.offset is None


@pytest.mark.parametrize("behind", [-60.123_456_7, 3600.123_456_7])
def test_fix_that_is_sent_again_on_a_new_connection_has_the_same_time(behind):
    clock, says = DeviceClock(), timedelta(seconds=-behind)
    for second in range(0, 30, 5):
        first = clock.correct(at(second + 0.1), at(second) + says)
    again = DeviceClock(clock.offset)
    assert again.correct(at(40), at(25) + says) == first


def test_older_fixes_of_a_message_say_nothing_about_the_clock():
    one, other = DeviceClock(), DeviceClock()
    for second in range(0, 100, 10):
        now, measured = at(second), at(second - 600)
        for clock in (one, other):
            clock.correct(now, measured)
        other.correct_older(now, measured - timedelta(seconds=5))
    assert one.offset == other.offset == 600.0


def test_older_fix_of_the_first_years_stays_as_it_is_where_no_clock_could_show_it():
    clock = DeviceClock(-HOUR)
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert clock.correct_older(at(0), first) == first
