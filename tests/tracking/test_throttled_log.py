import logging

import pytest

from tracking.throttled_log import Throttle


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def logger(time):
    logger = logging.getLogger("tests.throttled")
    throttle = Throttle(60, clock=time)
    logger.addFilter(throttle)
    yield logger
    logger.removeFilter(throttle)


def test_the_first_failure_is_logged_as_it_is(logger, caplog):
    logger.error("Gone: %s", "Redis")
    assert caplog.messages == ["Gone: Redis"]


def test_repetitions_within_the_period_are_left_out_and_then_counted(logger, caplog, time):
    for second in range(61):
        time.now = 1000.0 + second
        logger.error("Gone: %s", second)
    assert caplog.messages == ["Gone: 0", "Gone: 60 (59 more since it was last logged)"]


def test_a_failure_after_a_quiet_period_has_no_count(logger, caplog, time):
    logger.error("Gone")
    time.now += 60
    logger.error("Gone")
    assert caplog.messages == ["Gone", "Gone"]


def test_one_failure_does_not_hide_another(logger, caplog):
    logger.error("Redis is unavailable")
    logger.error("PostgreSQL is unavailable")
    assert caplog.messages == ["Redis is unavailable", "PostgreSQL is unavailable"]


def test_news_below_a_warning_always_passes(logger, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(3):
        logger.info("Back again")
    assert caplog.messages == ["Back again"] * 3
