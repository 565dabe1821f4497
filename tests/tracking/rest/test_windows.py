"""Windows of the history in query strings."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from tracking.rest.windows import day_window, window_of

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

# Zones whose clocks change at midnight, at 1, 2 or 3 o'clock, by half an hour, or never.
ZONES = [
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Helsinki",
    "America/Santiago",
    "America/St_Johns",
    "Pacific/Apia",
    "UTC",
]


def window(query):
    return window_of(QueryDict(query), NOW)


def utc(*args):
    return datetime(*args, tzinfo=UTC)


def test_last_24_hours_are_the_default():
    assert window("") == (NOW - timedelta(days=1), NOW)
    assert window("to=2026-11-20T12:00:00Z") == (utc(2026, 11, 19, 12), utc(2026, 11, 20, 12))
    assert window("from=2026-11-20T12:00:00Z") == (utc(2026, 11, 20, 12), NOW)


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ("from=2026-11-20T14:00:00.5%2B02:00", utc(2026, 11, 20, 12, 0, 0, 500_000)),
        ("from=2026-11-20T12:00:00.000001Z", utc(2026, 11, 20, 12, 0, 0, 1)),
        ("from=2026-11-20T14:00:00&tz=Europe/Helsinki", utc(2026, 11, 20, 12)),
        ("from=2026-11-20T14:00:00Z&tz=Europe/Helsinki", utc(2026, 11, 20, 14)),
        # Twice this half hour; the first one, in summer time.
        ("from=2026-10-25T03:30:00&tz=Europe/Helsinki", utc(2026, 10, 25, 0, 30)),
    ],
)
def test_times_are_rfc_3339_with_an_offset_or_a_time_zone(query, since):
    assert window(query) == (since, NOW)


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("day=2026-11-26", 24),
        ("day=2026-11-26&tz=Europe/Helsinki", 24),
        ("day=2026-03-29&tz=Europe/Helsinki", 23),
        ("day=2026-10-25&tz=Europe/Helsinki", 25),
        ("day=2026-04-24&tz=Africa/Cairo", 23),
        ("day=2026-10-29&tz=Africa/Cairo", 25),
    ],
)
def test_day_is_that_of_the_time_zone(query, hours):
    since, until = window(query)
    assert (until - since) / timedelta(hours=1) == hours


def test_day_of_helsinki_begins_at_its_midnight():
    assert window("day=2026-11-26&tz=Europe/Helsinki") == (
        utc(2026, 11, 25, 22),
        utc(2026, 11, 26, 22),
    )


def test_today_ends_in_the_future():
    assert window("day=2026-11-27") == (utc(2026, 11, 27), utc(2026, 11, 28))


@given(st.sampled_from(ZONES), st.dates(date(2000, 1, 1), date(2030, 1, 1)))
def test_days_follow_each_other_without_gap_and_overlap(name, day):
    zone = ZoneInfo(name)
    since, until = day_window(day, zone)
    assert day_window(day + timedelta(days=1), zone)[0] == until
    assert since <= until
    if since < until:
        local = since.astimezone(zone)
        # A midnight that the clocks skip is the moment of the change.
        assert local.date() == day
        last = (until - timedelta(microseconds=1)).astimezone(zone)
        assert last.date() <= day


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("from=yesterday", "from"),
        ("from=2026-11-20", "from"),
        ("from=2026-11-20T12:00:00", "from"),
        ("from=2026-11-20T12:00:00+02:00", "from"),
        ("from=2026-11-20T25:00:00Z", "from"),
        ("from=0001-01-01T00:00:00Z", "from"),
        ("from=0001-01-01T00:00:00%2B14:00", "from"),
        ("from=1969-12-31T23:59:59Z", "from"),
        ("from=2026-11-27T12:00:01Z&to=2026-11-28T00:00:00Z", "from"),
        ("from=2026-11-20T12:00:00Z&to=2026-11-20T12:00:00Z", "from"),
        ("from=2026-11-20T12:00:00Z&to=2026-11-19T12:00:00Z", "from"),
        ("to=0001-01-01T00:00:00Z", "to"),
        ("to=9999-12-31T23:59:59-14:00", "to"),
        ("to=9999-01-01T00:00:00Z", "to"),
        ("to=9999-12-31T23:55:01Z", "to"),
        ("to=2026-11-20", "to"),
        ("to=2026-12-27T12:00:00Z", "to"),
        ("day=today", "day"),
        ("day=2026-02-29", "day"),
        ("day=2026-11-28", "day"),
        ("day=1969-12-31", "day"),
        ("day=9999-12-31", "day"),
        ("day=9999-01-01", "day"),
        ("day=0001-01-01", "day"),
        ("day=2011-12-30&tz=Pacific/Apia", "day"),
        ("day=2026-11-26&tz=Europe/Atlantis", "tz"),
        ("day=2026-11-26&tz=", "tz"),
        ("tz=../../etc/passwd", "tz"),
        ("tz=Europe", "tz"),
        ("tz=localtime", "tz"),
        ("tz=posixrules", "tz"),
        ("tz=right/UTC", "tz"),
        ("tz=posix/Europe/Helsinki", "tz"),
        ("tz=tzdata.zi", "tz"),
        ("tz=europe/helsinki", "tz"),
        ("tz=%00", "tz"),
        ("day=2026-11-26&from=2026-11-26T12:00:00Z", "from"),
        ("day=2026-11-26&to=2026-11-26T12:00:00Z", "to"),
    ],
)
def test_what_is_wrong_is_named(query, name):
    with pytest.raises(ValidationError) as refused:
        window(query)
    assert list(refused.value.detail) == [name]
