"""Trips that nobody ended."""

from datetime import timedelta
from threading import Event

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from tracking import states, trips
from tracking.history.partitions import history_db
from tracking.models import State, Trip, TripChange, TripStatus, WatchGrant
from tracking.trips import overdue
from tracking.trips.overdue import cancel_overdue

from ..fakes import DEADLINE
from ..history.rows import running
from ..rows import drivers

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("database"),
]

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def make_overdue(*found):
    Trip.objects.filter(pk__in=[trip.pk for trip in found]).update(
        ends_at=timezone.now() - timedelta(seconds=1)
    )


def test_an_overdue_trip_is_canceled_and_its_driver_available():
    driver, rider = drivers(2)
    trip = trips.create(riders=[rider], driver=driver)
    make_overdue(trip)
    assert cancel_overdue() == (1, [])
    trip.refresh_from_db()
    assert trip.status == TripStatus.CANCELED
    assert trip.changes.latest("version").reason == "overdue"
    assert states.state_of(driver).state == State.AVAILABLE
    assert not WatchGrant.objects.filter(ended_at=None).exists()
    assert trip.assignments.get().until == trip.ended_at
    assert cancel_overdue() == (0, [])


def test_only_open_trips_whose_time_has_passed_are_canceled():
    one, two, three = drivers(3)
    later = timezone.now() + timedelta(hours=1)
    kept = [trips.create(driver=one), trips.create(driver=two, ends_at=later)]
    done = trips.complete(trips.create(driver=three))
    waiting = trips.create()
    make_overdue(done, waiting)
    assert cancel_overdue() == (1, [])
    assert set(Trip.objects.filter(ended_at=None)) == set(kept)
    assert Trip.objects.get(pk=done.pk).status == TripStatus.COMPLETE


def test_many_are_canceled_in_batches(monkeypatch):
    monkeypatch.setattr(overdue, "BATCH_SIZE", 2)
    make_overdue(*(trips.create() for _ in range(5)))
    assert cancel_overdue() == (5, [])


def test_one_that_fails_stops_no_other(monkeypatch):
    monkeypatch.setattr(overdue, "BATCH_SIZE", 1)
    found = [trips.create() for _ in range(3)]
    make_overdue(*found)
    cancel = overdue.cancel

    def fail_once(pk, **rest):
        if pk == found[1].pk:
            raise OperationalError("lock timeout")
        return cancel(pk, **rest)

    monkeypatch.setattr(overdue, "cancel", fail_once)
    assert cancel_overdue() == (2, [found[1].pk])
    monkeypatch.undo()
    assert cancel_overdue() == (1, [])


@on_postgresql
@pytest.mark.parametrize("end", [trips.complete, trips.cancel])
def test_a_trip_that_a_dispatcher_ends_at_the_same_time_is_no_error(end):
    (driver,) = drivers(1)
    trip = trips.create(driver=driver)
    make_overdue(trip)
    ended, go_on = Event(), Event()

    def end_slowly():
        with transaction.atomic(history_db()):
            end(trip, reason="by dispatch")
            ended.set()
            assert go_on.wait(DEADLINE)

    with running(end_slowly) as results:
        assert ended.wait(DEADLINE)
        with running(cancel_overdue) as found:
            # It waits for the row.
            with connections["postgresql"].cursor() as cursor:
                until_waiting(cursor)
            go_on.set()
    assert (results, found) == ([None], [(0, [])])
    assert TripChange.objects.filter(trip=trip).latest("version").reason == "by dispatch"
    assert states.state_of(driver).state == State.AVAILABLE


def until_waiting(cursor):
    end = timezone.now() + timedelta(seconds=DEADLINE)
    while True:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        if cursor.fetchone()[0]:
            return
        assert timezone.now() < end


@on_postgresql
def test_open_trips_are_found_by_an_index():
    now = timezone.now()
    Trip.objects.bulk_create(
        Trip(created_at=now, status="complete", ended_at=now, ends_at=now) for _ in range(3_000)
    )
    make_overdue(trips.create())
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("ANALYZE tracking_trip")
    plan = Trip.objects.filter(ended_at=None, ends_at__lte=now, pk__gt=0).order_by("pk").explain()
    assert "tracking_one_trip_per_driver" in plan


def test_trip_without_a_limit_is_overdue_once_its_grants_are_over(settings):
    settings.TRACKING = settings.TRACKING | {"MAX_GRANT_DURATION": 3_600}
    driver, other, rider = drivers(3)
    old = trips.create(riders=[rider], driver=driver)
    new = trips.create(riders=[rider], driver=other)
    Trip.objects.filter(pk=old.pk).update(assigned_at=timezone.now() - timedelta(seconds=3_601))
    assert cancel_overdue() == (1, [])
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.status, new.status) == (TripStatus.CANCELED, TripStatus.NEW)
    assert states.state_of(driver).state == State.AVAILABLE
