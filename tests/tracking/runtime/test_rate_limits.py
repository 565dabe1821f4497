"""Rate limits of connections, on a clock that the tests set."""

import asyncio

import pytest

from tracking.protocol import CloseCode, RateLimited
from tracking.runtime.rate_limits import LIMIT_LIFETIME, RateLimit, SharedLimits


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.TRACKING = settings.TRACKING | {"MAX_FIXES_PER_SECOND": 5.0, "MAX_FIXES_BURST": 20}


def taken(limit, times):
    """Return the number of messages accepted at these times, and the connection's error or None."""
    count = 0
    for now in times:
        try:
            limit.take(now)
        except RateLimited as error:
            if error.close_code is not None:
                return count, error.close_code
        else:
            count += 1
    return count, None


def every(interval, seconds):
    return [number * interval for number in range(int(seconds / interval))]


def test_a_phone_that_reports_every_five_seconds_meets_no_limit():
    assert taken(RateLimit(0.0), every(5, 86400)) == (17280, None)


def test_a_burst_is_taken_and_what_exceeds_it_is_refused():
    assert taken(RateLimit(0.0), [0.0] * 25) == (20, None)


def test_after_a_burst_the_rate_is_allowed_again():
    limit = RateLimit(0.0)
    taken(limit, [0.0] * 25)
    assert taken(limit, [0.1] * 3) == (0, None)
    assert taken(limit, [1.0] * 10) == (5, None)


def test_a_pause_saves_up_no_more_than_one_burst():
    limit = RateLimit(0.0)
    taken(limit, [0.0] * 20)
    assert taken(limit, [3600.0] * 30) == (20, None)


def test_after_a_pause_of_the_server_all_that_the_rate_allowed_may_come_at_once():
    limit = RateLimit(0.0)
    taken(limit, [0.0] * 20)
    limit.catch_up(60.0)
    assert taken(limit, [60.0] * 310) == (300, None)
    # And no more than one burst after that.
    assert taken(limit, [3600.0] * 30) == (20, None)


def test_a_client_at_the_rate_loses_nothing_by_a_pause_of_the_server():
    limit = RateLimit(0.0)
    assert taken(limit, every(0.2, 10)) == (50, None)
    limit.catch_up(70.0)
    # It had 300 messages by then, which take two seconds to read, and has 5 more every second.
    backlog = [70.0 + number / 150 for number in range(300)]
    assert taken(limit, sorted(backlog + [70 + at for at in every(0.2, 60)])) == (600, None)


def test_a_little_above_the_rate_loses_a_little_and_keeps_the_connection():
    count, closed = taken(RateLimit(0.0), every(1 / 5.4, 3600))
    assert count == pytest.approx(5 * 3600, rel=0.01)
    assert closed is None


@pytest.mark.parametrize(
    ("rate", "seconds"), [(1000, 1), (100, 2), (20, 10), (9, 40), (7, 80), (6, 240)]
)
def test_abuse_that_goes_on_closes_the_connection(rate, seconds):
    count, closed = taken(RateLimit(0.0), every(1 / rate, seconds))
    assert closed is CloseCode.TOO_MANY_REQUESTS
    assert count <= 20 + 5 * seconds


def test_a_burst_now_and_then_keeps_the_connection():
    limit = RateLimit(0.0)
    for minute in range(60):
        bursts = [60.0 * minute] * 25 + [60.0 * minute + second for second in range(1, 60)]
        assert taken(limit, bursts)[1] is None


def test_a_refusal_says_what_to_do():
    limit = RateLimit(0.0)
    taken(limit, [0.0] * 20)
    with pytest.raises(RateLimited, match="send fewer") as refusal:
        limit.take(0.0)
    assert (refusal.value.code, refusal.value.close_code) == ("rate_limited", None)


def test_zero_means_no_limit(settings):
    settings.TRACKING = settings.TRACKING | {"MAX_FIXES_PER_SECOND": 0}
    assert taken(RateLimit(0.0), [0.0] * 10_000) == (10_000, None)


# A driver's connections together


async def test_connections_of_a_driver_share_a_limit_and_other_drivers_have_theirs():
    limits = SharedLimits()
    first, second, other = limits.join(19), limits.join(19), limits.join(20)
    assert first is second is not other


async def test_a_driver_who_comes_back_has_no_new_burst(monkeypatch):
    limits = SharedLimits()
    limit, now = limits.join(19), asyncio.get_running_loop().time()
    assert taken(limit, [now] * 25) == (20, None)
    limits.leave(19)
    assert limits.join(19) is limit
    assert taken(limit, [now + 0.1] * 5) == (0, None)


async def test_limit_of_a_driver_who_left_is_removed_after_a_while(monkeypatch):
    monkeypatch.setattr("tracking.runtime.rate_limits.LIMIT_LIFETIME", 0.01)
    limits = SharedLimits()
    limits.join(19)
    limits.join(20)
    limits.leave(19)
    await asyncio.sleep(0.05)
    assert len(limits) == 1


class Timers:
    """An event loop's clock and timers, in time that the test advances."""

    def __init__(self):
        self.now = 0.0
        self.due = []

    def time(self):
        return self.now

    def call_later(self, delay, callback, *args):
        timer = asyncio.TimerHandle(self.now + delay, callback, args, self)
        self.due.append(timer)
        return timer

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, timer):
        self.due.remove(timer)

    def pass_to(self, now):
        self.now = now
        for timer in [timer for timer in self.due if timer.when() <= now]:
            self.due.remove(timer)
            timer._callback(*timer._args)


def test_driver_who_comes_and_goes_for_minutes_gets_the_rate_and_no_more(monkeypatch):
    timers = Timers()
    monkeypatch.setattr("tracking.runtime.rate_limits.asyncio.get_running_loop", lambda: timers)
    limits = SharedLimits()
    count = 0
    for now in every(0.1, 3 * LIMIT_LIFETIME):
        timers.pass_to(now)
        count += taken(limits.join(19), [now] * 60)[0]
        limits.leave(19)
        assert len(timers.due) == 1
    assert count <= 20 + 5 * 3 * LIMIT_LIFETIME
    timers.pass_to(timers.now + LIMIT_LIFETIME)
    assert (len(limits), timers.due) == (0, [])
