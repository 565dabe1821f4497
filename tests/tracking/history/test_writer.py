"""Writing the history: in the transaction of the last known location, each fix once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from tracking import trips
from tracking.fix import Fix
from tracking.history.fixes import TrackFix
from tracking.history.partitions import create_days, day_of, existing_days, partition_name
from tracking.history.reading import read
from tracking.history.writer import HistorySink
from tracking.models import (
    DriverLocation,
    HistoryErasure,
    HistoryFix,
    Trip,
    TripAssignment,
    WatchGrant,
)
from tracking.pipeline import rows
from tracking.pipeline.rows import PartlyStoredError, upsert, upsert_and_compare

from ..rows import drivers

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

NOW = datetime.now(UTC).replace(microsecond=0)


def fix_at(driver, seconds_ago, *, arrived=None, **rest):
    at = NOW - timedelta(seconds=seconds_ago)
    return Fix(driver, 1.5, 2.5, at, arrived or at, **rest)


def kept(driver, since=NOW - timedelta(days=70)):
    return [fix for part in read(driver, since, NOW + timedelta(days=1)) for fix in part]


def write(*fixes, sink=None, how=upsert):
    every = {}
    for fix in fixes:
        every.setdefault(fix.driver_id, []).append(fix)
    newest = [max(of_driver, key=lambda fix: fix.recorded_at) for of_driver in every.values()]
    return how(newest, [sink or HistorySink()], every)


@pytest.mark.parametrize("how", [upsert, upsert_and_compare])
def test_every_fix_of_a_batch_is_kept(how):
    one, two = drivers(2)
    write(fix_at(one, 3), fix_at(one, 2), fix_at(two, 3), fix_at(one, 1), how=how)
    assert [fix.recorded_at for fix in kept(one)] == [
        fix_at(one, ago).recorded_at for ago in (3, 2, 1)
    ]
    assert len(kept(two)) == 1


def test_a_fix_sent_again_changes_nothing():
    (driver,) = drivers(1)
    write(fix_at(driver, 5, speed=3.0))
    write(fix_at(driver, 5, speed=9.0), fix_at(driver, 5))
    assert [fix.speed for fix in kept(driver)] == [3.0]


def test_a_fix_is_kept_with_all_that_it_carries():
    (driver,) = drivers(1)
    at = NOW - timedelta(seconds=9, microseconds=-123_456)
    arrived = at + timedelta(microseconds=7_654_321)
    write(
        Fix(
            driver,
            -12.3456789,
            179.9999999,
            at,
            arrived,
            accuracy=4.26,
            heading=359.7,
            speed=13.449,
            battery=80,
            charging=False,
            mock=True,
        )
    )
    (fix,) = kept(driver)
    received_at = arrived.replace(microsecond=777_000)
    assert fix == TrackFix(
        at, received_at, -12.3456789, 179.9999999, 4.3, 0.0, 13.4, 80, charging=False, mock=True
    )


def test_numbers_that_no_phone_measures_are_limited():
    (driver,) = drivers(1)
    write(fix_at(driver, 5, accuracy=1e-9, speed=1e300), fix_at(driver, 4, accuracy=1e300))
    assert [(fix.accuracy, fix.speed) for fix in kept(driver)] == [(0.1, None), (1e6, None)]


def test_a_fix_older_than_the_history_is_not_kept():
    (driver,) = drivers(1)
    day = 86_400
    write(fix_at(driver, 61 * day), fix_at(driver, 59 * day), fix_at(driver, 0))
    assert len(kept(driver)) == 2


def test_signs_of_life_and_departures_are_no_fixes():
    (driver,) = drivers(1)
    write(fix_at(driver, 9, heard_at=NOW), fix_at(driver, 8, disconnected_at=NOW))
    assert kept(driver) == []
    assert DriverLocation.objects.get(pk=driver)


def test_an_erased_part_of_the_history_stays_erased():
    (driver,) = drivers(1)
    HistoryErasure.objects.create(
        driver_id=driver, before=NOW - timedelta(seconds=5), erased_at=NOW
    )
    write(fix_at(driver, 6), fix_at(driver, 5))
    assert [fix.recorded_at for fix in kept(driver)] == [NOW - timedelta(seconds=5)]


@pytest.mark.parametrize("rest", [{}, {"disconnected_at": NOW}, {"heard_at": NOW}])
@pytest.mark.parametrize("how", [upsert, upsert_and_compare])
def test_an_erased_location_does_not_come_back(how, rest):
    """Check a late upload, a departure, and a sign of life that repeats the last good fix."""
    erased, other = drivers(2)
    HistoryErasure.objects.create(
        driver_id=erased, before=NOW - timedelta(seconds=5), erased_at=NOW
    )
    write(fix_at(erased, 6, **rest), fix_at(other, 6, **rest), how=how)
    assert list(DriverLocation.objects.values_list("pk", flat=True)) == [other]
    write(fix_at(erased, 5, **rest), how=how)
    assert DriverLocation.objects.filter(pk=erased).exists()


def test_with_trips_a_grant_that_expired_and_was_ended_later_ends_at_its_expiry(settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "trips"}
    (driver,) = drivers(1)
    WatchGrant.objects.create(
        driver_id=driver,
        watcher=get_user_model().objects.create_user(email="rider@example.com"),
        starts_at=NOW - timedelta(seconds=50),
        ends_at=NOW - timedelta(seconds=20),
        ended_at=NOW,
    )
    write(fix_at(driver, 21), fix_at(driver, 20))
    assert [fix.recorded_at for fix in kept(driver)] == [NOW - timedelta(seconds=21)]


def test_with_trips_fixes_are_kept_that_were_recorded_during_a_grant(settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "trips"}
    (driver,) = drivers(1)
    rider = get_user_model().objects.create_user(email="rider@example.com")
    WatchGrant.objects.create(
        driver_id=driver,
        watcher=rider,
        starts_at=NOW - timedelta(seconds=50),
        ends_at=NOW + timedelta(hours=1),
        ended_at=NOW - timedelta(seconds=20),
    )
    write(*(fix_at(driver, ago) for ago in (51, 50, 21, 20)))
    assert [fix.recorded_at for fix in kept(driver)] == [
        NOW - timedelta(seconds=ago) for ago in (50, 21)
    ]


def assign(driver, begin, end, trip=None):
    """Store that a driver had a trip, from and until so many seconds ago."""
    trip = trip or Trip.objects.create(created_at=NOW)
    TripAssignment.objects.create(
        trip=trip,
        driver_id=driver,
        since=NOW - timedelta(seconds=begin),
        until=None if end is None else NOW - timedelta(seconds=end),
    )
    return trip


def test_with_trips_fixes_are_kept_that_were_recorded_while_the_driver_had_one(settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "trips"}
    one, two = drivers(2)
    assign(one, 90, 80)
    trip = assign(one, 50, 20)
    assign(two, 20, None, trip)
    ago = (91, 90, 81, 80, 51, 50, 21, 20, 0)
    write(*(fix_at(driver, seconds) for driver in (one, two) for seconds in ago))
    for driver, expected in ((one, (90, 81, 50, 21)), (two, (20, 0))):
        assert [fix.recorded_at for fix in kept(driver)] == [
            NOW - timedelta(seconds=seconds) for seconds in expected
        ]


def test_with_trips_the_life_of_a_trip_decides(settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "trips"}
    one, two = drivers(2)
    times = []

    def note():
        times.append(datetime.now(UTC))

    note()
    trip = trips.create(driver=one)
    note()
    trips.assign(trip, two)
    note()
    trips.set_status(trip, "enroute_to_dropoff")
    trips.complete(trip)
    note()
    write(*(Fix(driver, 1.5, 2.5, at, at) for driver in (one, two) for at in times))
    assert [fix.recorded_at for fix in kept(one)] == [times[1]]
    assert [fix.recorded_at for fix in kept(two)] == [times[2]]


def test_with_trips_few_rows_of_indexes_are_read_however_many_trips_there_were(settings, database):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "trips"}
    one, other = drivers(2)
    trip = Trip.objects.create(created_at=NOW)
    TripAssignment.objects.bulk_create(
        TripAssignment(
            trip=trip,
            driver_id=driver,
            since=NOW - timedelta(minutes=10 * number),
            until=NOW - timedelta(minutes=10 * number - 5),
        )
        for driver in (one, other)
        for number in range(1, 2_000)
    )
    rider = get_user_model().objects.create_user(email="rider@example.com")
    WatchGrant.objects.bulk_create(
        WatchGrant(
            driver_id=driver,
            watcher=rider,
            starts_at=NOW - timedelta(minutes=10 * number),
            ends_at=NOW - timedelta(minutes=10 * number - 5),
        )
        for driver in (one, other)
        for number in range(1, 2_000)
    )
    fix = fix_at(one, 1)
    vendor = connections[database].vendor
    ((sql, parameters),) = rows._statements(vendor, [HistorySink().insert([fix])], [fix], [fix])[
        -1:
    ]
    with connections[database].cursor() as cursor:
        if database == "postgresql":
            cursor.execute("ANALYZE tracking_tripassignment, tracking_watchgrant")
        explain = "EXPLAIN" if vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql}", parameters)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    if database == "postgresql":
        assert (
            "Index Scan Backward using tracking_trips_of_driver on tracking_tripassignment" in plan
        )
        assert "Index Scan using tracking_grant_driver_end on tracking_watchgrant" in plan
        assert "Seq Scan on tracking_watchgrant" not in plan
    else:
        assert "USING INDEX tracking_trips_of_driver (driver_id=? AND since<?)" in plan
        assert "USING INDEX tracking_grant_driver_end (driver_id=? AND ends_at>?)" in plan


@pytest.mark.parametrize("how", [upsert, upsert_and_compare])
def test_what_the_history_cannot_keep_is_no_last_known_location_either(how, monkeypatch):
    bad, good = drivers(2)
    wrong = fix_at(bad, 1)
    insert = HistorySink.insert

    def without_latitude(self, fixes):
        latitude = f"CASE WHEN driver_id <> {bad} THEN latitude END"
        return insert(self, fixes).replace("latitude * 1e7", f"{latitude} * 1e7")

    monkeypatch.setattr(HistorySink, "insert", without_latitude)
    with pytest.raises(PartlyStoredError) as raised:
        write(wrong, fix_at(good, 1), how=how)
    assert raised.value.discarded == {bad}
    assert list(DriverLocation.objects.values_list("pk", flat=True)) == [good]
    assert (kept(bad), len(kept(good))) == ([], 1)


@pytest.mark.parametrize("how", [upsert, upsert_and_compare])
def test_a_day_whose_partition_was_dropped_meanwhile_gets_it_again(how, database):
    (driver,) = drivers(1)
    sink = HistorySink()
    write(fix_at(driver, 9), sink=sink)
    if database == "default":
        return  # SQLite's table has no partitions.
    day = day_of(NOW - timedelta(seconds=9))
    with connections[database].cursor() as cursor:
        cursor.execute(f"DROP TABLE {partition_name(HistoryFix, day)}")
    write(fix_at(driver, 9), sink=sink, how=how)
    assert len(kept(driver)) == 1


def test_a_partition_is_made_once(database):
    day = date(2026, 3, 29)
    create_days(HistoryFix, [day])
    assert create_days(HistoryFix, [day]) == []
    assert (day in existing_days(HistoryFix)) == (database == "postgresql")
