"""Everybody at a past moment, from hot rows and packed hours alike."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test.utils import CaptureQueriesContext

from tracking.history.past import at
from tracking.models import DriverLocation, HistorySegment

from ..rows import drivers
from .tracks import NOON, drive, keep_hot, keep_packed, track_fix

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

User = get_user_model()


def located(count):
    """Return the ids of drivers that have a last known location."""
    ids = drivers(count)
    DriverLocation.objects.bulk_create(
        DriverLocation(driver_id=pk, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON)
        for pk in ids
    )
    return ids


@pytest.fixture(params=[keep_hot, keep_packed])
def keep(request, database):
    return request.param


def after_noon(**time):
    return NOON + timedelta(**time)


def test_newest_fix_at_that_time_is_found(keep):
    one, two, _ = located(3)
    measured = {"accuracy": 4.2, "heading": 90.0, "speed": 10.5}
    fixes = drive(10, **measured, battery=80, charging=False)
    keep(one, fixes)
    keep(two, [track_fix(-3600, -1.4354, 179.9999999)])
    assert at(after_noon(seconds=12)) == {
        one: fixes[2],
        two: track_fix(-3600, -1.4354, 179.9999999),
    }
    assert at(after_noon(seconds=5))[one] == fixes[1]
    assert at(after_noon(seconds=4.999))[one] == fixes[0]
    assert at(after_noon(days=1, seconds=40))[one] == fixes[9]
    assert at(after_noon(seconds=-1)).keys() == {two}


def test_drivers_without_a_fix_in_the_last_day_are_left_out(keep):
    (driver,) = located(1)
    keep(driver, [track_fix(0)])
    assert at(after_noon(hours=24, microseconds=-1)).keys() == {driver}
    assert at(after_noon(hours=24)) == {}
    assert at(after_noon(seconds=-1)) == {}


def test_inactive_drivers_are_left_out(keep):
    here, left = located(2)
    keep(here, drive(2))
    keep(left, drive(2))
    User.objects.filter(pk=left).update(is_active=False)
    assert at(after_noon(minutes=1)).keys() == {here}


def test_newest_fix_counts_whether_hot_or_packed(database):
    one, two, three = located(3)
    keep_packed(one, drive(10))
    keep_hot(one, [track_fix(7, 61.0)])  # arrived late
    keep_hot(two, [track_fix(-60, 61.0)])
    keep_packed(two, drive(2))
    keep_packed(three, drive(2))
    keep_hot(three, [track_fix(3600 + 7, 61.0)])
    found = at(after_noon(seconds=8))
    assert [found[driver].latitude for driver in (one, two, three)] == [61.0, 60.00045, 60.00045]
    assert at(after_noon(seconds=10))[one] == drive(10)[2]
    assert at(after_noon(hours=2))[three].latitude == 61.0


def test_real_location_is_shown_in_place_of_a_simulated_one_that_is_near(keep):
    one, two, three = located(3)
    keep(one, [track_fix(0, 60.5), track_fix(10, 61.0, mock=True)])
    keep(two, [track_fix(0, 60.5), track_fix(10.001, 61.0, mock=True)])
    keep(three, [track_fix(9, 61.0, mock=True)])
    found = at(after_noon(seconds=20))
    assert [found[driver].latitude for driver in (one, two, three)] == [60.5, 61.0, 61.0]


def test_real_location_before_the_full_hour_is_shown_in_place_of_a_simulated_one(keep):
    ids = located(4)
    for second, driver in zip((-3, -8.25, -8.5, 1), ids, strict=True):
        simulated = [track_fix(at, 61.5, mock=True) for at in (second + 0.25, 1.75)]
        keep(driver, [track_fix(second, 60.5), *simulated])
    found = at(after_noon(seconds=2))
    assert [found[driver].latitude for driver in ids] == [60.5, 60.5, 61.5, 60.5]


@pytest.mark.parametrize(("old", "new"), [(keep_hot, keep_packed), (keep_packed, keep_hot)])
def test_real_location_and_simulated_one_may_be_hot_and_packed(database, old, new):
    one, two = located(2)
    for driver, second in ((one, 4), (two, -3)):
        old(driver, [track_fix(second, 60.5)])
        new(driver, [track_fix(5, 61.0, mock=True)])
    found = at(after_noon(seconds=20))
    assert [found[driver].latitude for driver in (one, two)] == [60.5, 60.5]


@pytest.mark.parametrize("count", [1, 14, 15, 16, 300])
def test_real_location_is_found_before_any_number_of_simulated_ones(keep, count):
    (driver,) = located(1)
    simulated = [track_fix(0.03 * n, 61.0, mock=True) for n in range(1, count + 1)]
    keep(driver, [track_fix(0, 60.5), *simulated])
    assert at(after_noon(seconds=20))[driver].latitude == 60.5


def test_real_fixes_are_looked_for_only_near_simulated_ones(database):
    (driver,) = located(1)
    keep_hot(driver, drive(3, mock=True))
    with CaptureQueriesContext(connections[database]) as queries:
        at(after_noon(seconds=12))
    (_, real) = queries
    # SQLite's text has no "T", PostgreSQL's neither.
    assert "2026-11-26 12:00:00" in real["sql"]
    assert "2026-11-25" not in real["sql"]


def test_damaged_hour_leaves_out_its_driver_alone_and_is_logged(database, caplog):
    one, two = located(2)
    for driver in (one, two):
        keep_hot(driver, [track_fix(-7200)])
        keep_packed(driver, drive(3))
    HistorySegment.objects.filter(driver_id=one).update(data=b"damaged")
    assert at(after_noon(seconds=12)).keys() == {two}
    (record,) = caplog.records
    assert f"driver {one}, hour 2026-11-26T12:00:00+00:00" in record.getMessage()


def test_all_times_of_python_may_be_asked_for(database):
    located(1)
    for time in (datetime.min, datetime.max):
        assert at(time.replace(tzinfo=UTC)) == {}


def test_number_of_queries_does_not_grow_with_the_drivers(
    keep, database, django_assert_max_num_queries
):
    with_hot_rows, *everybody = located(30)
    keep_hot(with_hot_rows, drive(3, mock=True))
    for driver in everybody:
        keep(driver, drive(3, mock=True))
    with django_assert_max_num_queries(3, connection=connections[database]):
        assert len(at(after_noon(minutes=1))) == 30
