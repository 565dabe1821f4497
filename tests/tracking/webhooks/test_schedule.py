from datetime import UTC, datetime, timedelta

import pytest

from tracking.webhooks.schedule import DELAYS, next_attempt, parse_retry_after

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)


def test_attempts_are_those_of_the_standard_and_last_over_three_days():
    assert len(DELAYS) == 10
    assert timedelta(days=3) < timedelta(seconds=sum(DELAYS)) < timedelta(days=4)
    waits = [(next_attempt(number, NOW, None) - NOW).total_seconds() for number in range(1, 10)]
    for wait, delay in zip(waits, DELAYS[1:], strict=True):
        assert delay <= wait <= delay * 1.1
    assert next_attempt(10, NOW, None) is None
    assert next_attempt(10, NOW, 60) is None


def test_retry_after_delays_an_attempt_and_never_hastens_it():
    assert next_attempt(1, NOW, 90) == NOW + timedelta(seconds=90)
    assert next_attempt(3, NOW, 1) >= NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("9" * 400, 86_400),
        ("Sat, 28 Nov 2026 05:10:00 GMT", 600),
        ("Sat, 28 Nov 2026 04:00:00 GMT", 0),
        ("Sat, 28 Nov 2099 04:00:00 -0000", 86_400),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_bounded_and_nonsense_ignored(value, seconds):
    assert parse_retry_after(value, NOW) == seconds
