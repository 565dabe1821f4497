"""The functions for host projects, and the end of a deleted user's history."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from tracking import history
from tracking.history.writer import HistorySink
from tracking.models import HistoryErasure, HistoryFix
from tracking.pipeline.rows import upsert

from ..rows import drivers
from .test_writer import NOW, fix_at

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

HOUR = timedelta(hours=1)


def drive(driver, *, metres_per_second=10, seconds=600, stand=300):
    """Keep a drive north, after which the car stands until now; one fix each 5 s."""
    fixes = []
    for second in range(0, seconds + stand, 5):
        latitude = 1.5 + min(second, seconds) * metres_per_second / 111_195
        fix = fix_at(driver, seconds + stand - second)
        fixes.append(type(fix)(driver, latitude, 2.5, fix.recorded_at, fix.received_at))
    upsert([fixes[-1]], [HistorySink()], {driver: fixes})
    return fixes


def test_a_track_has_distance_and_stops():
    (driver,) = drivers(1)
    fixes = drive(driver)
    window = (NOW - HOUR, NOW + HOUR)
    assert [fix.recorded_at for fix in history.track(driver, *window)] == [
        fix.recorded_at for fix in fixes
    ]
    assert history.distance(driver, *window) == pytest.approx(6000, rel=0.02)
    (stop,) = history.stops(driver, *window)
    assert stop.seconds == pytest.approx(300, abs=30)
    assert history.summary(driver, *window).gaps == []


def test_where_a_driver_was_at_a_past_moment():
    (driver,) = drivers(1)
    fixes = drive(driver)
    assert history.at(fixes[7].recorded_at + timedelta(seconds=1))[driver].recorded_at == (
        fixes[7].recorded_at
    )
    assert history.at(fixes[0].recorded_at - timedelta(seconds=1)) == {}


def test_deleting_a_user_erases_the_history_of_that_user_alone(database):
    deleted, other = drivers(2)
    drive(deleted)
    drive(other)
    get_user_model().objects.get(pk=deleted).delete()
    assert set(HistoryFix.objects.values_list("driver_id", flat=True)) == {other}
    assert list(HistoryErasure.objects.values_list("driver_id", flat=True)) == [deleted]


def test_deleting_a_user_without_a_history_leaves_nothing():
    (driver,) = drivers(1)
    get_user_model().objects.get(pk=driver).delete()
    assert not HistoryErasure.objects.exists()
