"""Places of states, shifts and trips: erased, expired, and deleted with their people."""

import json
from datetime import timedelta
from io import StringIO
from threading import Event

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tracking import states, trips
from tracking.history import places
from tracking.history.erasure import apply_erasures, erase
from tracking.history.partitions import history_db, start_of
from tracking.history.places import expire_places
from tracking.history.retention import hold, release
from tracking.models import DriverState, DriverStateChange, State, Trip, TripAssignment, TripChange

from ..fakes import DEADLINE
from ..rows import drivers
from .rows import day_ago, running

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

# HISTORY_DAYS is 60.
EXPIRED, LIMIT, RECENT = (start_of(day_ago(days)) for days in (61, 60, 3))
MINUTE = timedelta(minutes=1)
WAYPOINTS = [{"kind": "pickup", "lat": 60.1, "lon": 24.9, "name": "Home"}]


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the clock."""

    def set_clock(at):
        monkeypatch.setattr(timezone, "now", lambda: at)

    return set_clock


def shift(clock, driver, begin, end, place):
    """Make a driver work in a time, and begin and end at a place."""
    clock(begin)
    states.set_state(driver, "available", place=place)
    clock(end)
    states.set_state(driver, "non_operational", place=(place[0] + 1, place[1]))


def left(driver):
    """Return the latitudes of a driver's changes, in order."""
    rows = DriverStateChange.objects.filter(driver=driver).order_by("changed_at")
    return [latitude for latitude, _ in places_of(rows)]


def places_of(rows):
    found = list(rows.values_list("latitude", "longitude"))
    assert all((latitude is None) == (longitude is None) for latitude, longitude in found)
    return found


def quiet(driver):
    row = DriverState.objects.get(pk=driver)
    return row.shift_began_at, row.shifts_ended_at


# Erasure


def test_places_of_state_changes_and_shifts_before_a_time_are_erased(clock):
    one, other = drivers(2)
    for driver in (one, other):
        shift(clock, driver, RECENT, RECENT + 10 * MINUTE, (1.0, 2.0))
        shift(clock, driver, RECENT + 20 * MINUTE, RECENT + 30 * MINUTE, (5.0, 2.0))
    erase(one, RECENT + 20 * MINUTE)
    assert left(one) == [None, None, 5.0, 6.0]
    assert quiet(one) == ([5.0, 2.0], [[6.0, 2.0]])
    assert left(other) == [1.0, 2.0, 5.0, 6.0]
    assert quiet(other) == ([5.0, 2.0], [[6.0, 2.0], [2.0, 2.0]])
    clock(RECENT + 40 * MINUTE)
    erase(one)
    assert left(one) == [None] * 4
    assert quiet(one) == (None, [])
    changes = DriverStateChange.objects.filter(driver=one)
    assert [row.reason for row in changes] == ["service_start", "service_end"] * 2


def test_a_shift_that_began_before_what_is_erased_has_no_begin_any_more(clock):
    (driver,) = drivers(1)
    clock(RECENT)
    states.set_state(driver, "available", place=(1.0, 2.0))
    clock(RECENT + 10 * MINUTE)
    erase(driver)
    assert quiet(driver) == (None, [])
    assert states.state_of(driver).state == State.AVAILABLE


def test_places_that_are_held_stay_until_the_release(clock):
    (driver,) = drivers(1)
    shift(clock, driver, RECENT, RECENT + 10 * MINUTE, (1.0, 2.0))
    hold("T-7", driver, RECENT + 5 * MINUTE, RECENT + 11 * MINUTE)
    clock(RECENT + 20 * MINUTE)
    erase(driver)
    assert left(driver) == [None, 2.0]
    assert quiet(driver) == (None, [])
    release("T-7")
    apply_erasures()
    assert left(driver) == [None, None]


def test_places_from_a_restored_backup_are_erased_again(clock):
    (driver,) = drivers(1)
    shift(clock, driver, RECENT, RECENT + 10 * MINUTE, (1.0, 2.0))
    clock(RECENT + 20 * MINUTE)
    erase(driver)
    DriverStateChange.objects.update(latitude=1.0, longitude=2.0)
    clock(RECENT + 30 * MINUTE)
    states.set_state(driver, "available", place=(7.0, 2.0))
    apply_erasures()
    assert left(driver) == [None, None, 7.0]


# Expiry


def drive(clock, driver, begin, *, riders=(), reference="T-7"):
    """Make a driver have a trip of ten minutes."""
    clock(begin)
    trip = trips.create(
        riders=riders,
        reference=reference,
        driver=driver,
        waypoints=json.loads(json.dumps(WAYPOINTS)),
    )
    clock(begin + 10 * MINUTE)
    return trips.complete(trip)


def waypoints(trip):
    trip.refresh_from_db()
    assert (trip.waypoints == []) == (trip.waypoints_deleted_at is not None)
    return trip.waypoints


def test_places_of_whole_days_that_have_expired_are_cleared(clock):
    one, two = drivers(2)
    shift(clock, one, EXPIRED, LIMIT, (1.0, 2.0))
    shift(clock, two, EXPIRED, LIMIT - MINUTE, (1.0, 2.0))
    old = drive(clock, drivers_more(), LIMIT - 11 * MINUTE)
    recent = drive(clock, drivers_more(), LIMIT - 10 * MINUTE)
    clock(LIMIT + timedelta(days=60, hours=5))
    assert expire_places() == (3, 1, 1)
    assert (left(one), left(two)) == ([None, 2.0], [None, None])
    assert (quiet(one), quiet(two)) == (([1.0, 2.0], [[2.0, 2.0]]), (None, []))
    assert (waypoints(old), waypoints(recent)) == ([], WAYPOINTS)
    assert (old.reference, old.status) == ("T-7", "complete")
    assert expire_places() == (0, 0, 0)


def drivers_more():
    number = get_user_model().objects.count()
    return get_user_model().objects.create_user(email=f"more{number}@example.com", role="driver").pk


def test_an_open_trip_keeps_its_waypoints(clock):
    clock(EXPIRED)
    trip = trips.create(waypoints=WAYPOINTS)
    clock(RECENT)
    assert expire_places().trips == 0
    assert waypoints(trip) == WAYPOINTS


def test_held_places_and_trips_stay_until_the_release(clock):
    one, two = drivers(2)
    held = drive(clock, one, EXPIRED)
    overlapping = drive(clock, two, EXPIRED, reference="T-8")
    free = drive(clock, one, EXPIRED + 20 * MINUTE, reference="T-9")
    DriverStateChange.objects.update(latitude=1.0, longitude=2.0)
    hold("T-7")
    hold("complaint", two, EXPIRED + 9 * MINUTE, EXPIRED + 10 * MINUTE)
    clock(EXPIRED + timedelta(days=61, hours=1))
    assert expire_places()[:2] == (5, 1)
    assert left(one) == [1.0, None, None, None]
    assert [waypoints(trip) for trip in (held, overlapping, free)] == [WAYPOINTS, WAYPOINTS, []]
    get_user_model().objects.get(pk=one).delete()
    assert expire_places()[:2] == (0, 0)
    assert waypoints(held) == WAYPOINTS
    release("T-7")
    release("complaint")
    assert expire_places()[:2] == (0, 2)


def test_without_history_days_nothing_expires(clock, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "HISTORY_DAYS": 0}
    (driver,) = drivers(1)
    shift(clock, driver, EXPIRED, EXPIRED + MINUTE, (1.0, 2.0))
    clock(RECENT)
    assert expire_places() == (0, 0, 0)
    assert left(driver) == [1.0, 2.0]


def many(driver, count):
    """Store many old changes and trips of a driver."""
    times = [EXPIRED - number * MINUTE for number in range(count)]
    DriverStateChange.objects.bulk_create(
        DriverStateChange(
            driver_id=driver, state="available", changed_at=at, latitude=1, longitude=2
        )
        for at in times
    )
    found = Trip.objects.bulk_create(
        Trip(driver_id=driver, status="complete", created_at=at, ended_at=at, waypoints=WAYPOINTS)
        for at in times
    )
    TripAssignment.objects.bulk_create(
        TripAssignment(trip=trip, driver_id=driver, since=at - MINUTE, until=at)
        for trip, at in zip(found, times, strict=True)
    )
    TripChange.objects.bulk_create(
        TripChange(trip=trip, version=1, changed_at=at, status="complete", driver_id=driver)
        for trip, at in zip(found, times, strict=True)
    )


def test_many_are_cleared_in_batches_of_transactions_of_their_own(monkeypatch, database):
    monkeypatch.setattr(places, "BATCH_SIZE", 4)
    (driver,) = drivers(1)
    many(driver, 9)
    with CaptureQueriesContext(connections[database]) as queries:
        assert expire_places()[:2] == (9, 9)
    updates = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    assert len(updates) == 6
    assert set(left(driver)) == {None}


@on_postgresql
def test_rows_that_others_have_locked_are_left_to_the_next_run():
    (driver,) = drivers(1)
    many(driver, 3)
    locked, go_on = Event(), Event()

    def lock():
        with transaction.atomic(history_db()):
            for model in (DriverStateChange, Trip):
                list(model.objects.select_for_update().order_by("pk")[:1])
            locked.set()
            assert go_on.wait(DEADLINE)

    with running(lock):
        assert locked.wait(DEADLINE)
        with running(expire_places) as results:
            pass
        go_on.set()
    assert results[0][:2] == (2, 2)
    assert expire_places()[:2] == (1, 1)


@on_postgresql
def test_what_has_been_cleared_is_not_searched_again():
    (driver,) = drivers(1)
    many(driver, 3_000)
    DriverStateChange.objects.filter(pk__gt=DriverStateChange.objects.earliest("pk").pk).update(
        latitude=None, longitude=None
    )
    Trip.objects.filter(pk__gt=Trip.objects.earliest("pk").pk).update(
        waypoints=[], waypoints_deleted_at=F("ended_at")
    )
    with connections[history_db()].cursor() as cursor:
        cursor.execute("ANALYZE tracking_trip, tracking_driverstatechange")
    plans = explained()
    assert "Index Scan using tracking_state_with_place" in plans
    assert "Index Scan using tracking_trip_with_waypoints" in plans


def explained():
    """Return the plans of the queries that find what has expired."""
    plans = []

    def explain(execute, sql, params, many, context):
        if "FOR UPDATE" in sql:
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}", params)
                plans.extend(line for (line,) in cursor.fetchall())
        return execute(sql, params, many, context)

    with connections[history_db()].execute_wrapper(explain):
        expire_places()
    return "\n".join(plans)


def test_the_daily_run_says_what_has_expired_and_what_was_overdue():
    (driver,) = drivers(1)
    many(driver, 2)
    Trip.objects.filter(pk=trips.create(driver=driver).pk).update(ends_at=RECENT)
    out = StringIO()
    call_command("tracking_maintain", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "Overdue trips: 1 canceled"
    assert (
        "Expired places: 2 of state changes, 0 drivers' of shifts, and those of 2 trips deleted"
        in lines
    )


# Accounts that are deleted


def test_waypoints_of_ended_trips_are_deleted_with_their_only_rider(clock):
    driver, rider, other = drivers(3)
    own = drive(clock, driver, RECENT, riders=[rider])
    shared = drive(clock, driver, RECENT + 20 * MINUTE, riders=[rider, other])
    of_other = drive(clock, driver, RECENT + 40 * MINUTE, riders=[other])
    held = drive(clock, driver, RECENT + 60 * MINUTE, riders=[rider], reference="T-8")
    hold("T-8")
    still_open = trips.create(riders=[rider], waypoints=WAYPOINTS)
    get_user_model().objects.get(pk=rider).delete()
    assert waypoints(own) == []
    for trip in (shared, of_other, held, still_open):
        assert waypoints(trip) == WAYPOINTS


@pytest.mark.parametrize("count", [10_000])
def test_a_driver_with_many_changes_and_trips_is_deleted_in_few_queries(count, database):
    (driver,) = drivers(1)
    many(driver, count)
    user = get_user_model().objects.get(pk=driver)
    with CaptureQueriesContext(connections[database]) as queries:
        user.delete()
    assert len(queries) < 40
    assert not DriverStateChange.objects.exists()
    assert not TripAssignment.objects.exists()
    assert Trip.objects.filter(driver=None, status="complete").count() == count
    assert TripChange.objects.filter(driver=None).count() == count
