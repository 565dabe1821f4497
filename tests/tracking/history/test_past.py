"""Everybody at a past moment, from hot rows and packed hours alike."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from tracking.history.past import at
from tracking.models import DriverLocation

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
    fixes = drive(10, accuracy=4.2, heading=90.0, speed=10.5)
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


def test_number_of_queries_does_not_grow_with_the_drivers(
    keep, database, django_assert_max_num_queries
):
    with_hot_rows, *everybody = located(30)
    keep_hot(with_hot_rows, drive(3, mock=True))
    for driver in everybody:
        keep(driver, drive(3, mock=True))
    with django_assert_max_num_queries(3, connection=connections[database]):
        assert len(at(after_noon(minutes=1))) == 30
