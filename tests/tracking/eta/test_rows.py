"""Times of arrival in the database: the newest one of the trip's driver, and its events."""

import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from tracking import trips
from tracking.drives import Drive, load_drives
from tracking.eta import rows
from tracking.eta.rows import Computed, Estimate
from tracking.models import Event, Trip, TripEta

from ..fakes import DEADLINE, NOON

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

WAYPOINTS = [
    {"kind": "pickup", "lat": 60.17, "lon": 24.94},
    {"kind": "dropoff", "lat": 60.20, "lon": 24.95},
]


@pytest.fixture
def driver(database, new_user):
    return new_user("driver")


@pytest.fixture
def trip(driver, new_user):
    return trips.create(riders=[new_user()], driver=driver, reference="T-7", waypoints=WAYPOINTS)


def at(second):
    return NOON + timedelta(seconds=second)


def estimate_of(trip, second=0, arrival=300, **rest):
    fields = {
        "trip_id": trip.pk,
        "driver_id": trip.driver_id,
        "waypoint": 0,
        "kind": "pickup",
        "arrives_at": at(arrival),
        "distance": 1500.0,
        "confidence": "high",
        "computed_at": at(second),
        "route": "_p~iF~ps|U",
    }
    return Estimate(**fields | rest)


def store(*estimates):
    return rows.store({each.trip_id: each for each in estimates})


def events():
    found = Event.objects.filter(type="trip.eta_changed")
    return [event.data for event in found.order_by("id")]


def test_drives_are_read_with_what_was_reached(driver, trip, new_user):
    stored = trip.waypoints
    trip.assignments.update(reached={"0": {"arriving": "now"}})
    free = new_user("driver")
    assert load_drives([driver.pk, free.pk]) == {
        driver.pk: Drive(trip.pk, "new", stored, {"0": {"arriving": "now"}})
    }


def test_estimate_is_stored(driver, trip):
    assert store(estimate_of(trip)) == ([trip.pk], [])
    row = TripEta.objects.get()
    assert (row.trip_id, row.driver_id, row.waypoint) == (trip.pk, driver.pk, 0)
    assert (row.arrives_at, row.announced_at, row.computed_at) == (at(300), at(300), at(0))
    assert (row.distance, row.confidence, row.route) == (1500, "high", "_p~iF~ps|U")
    assert rows.load_computed([trip.pk]) == {trip.pk: Computed(driver.pk, 0, at(0))}
    assert rows.load_routes([trip.pk]) == {trip.pk: "_p~iF~ps|U"}
    assert events() == []


def test_route_is_kept_where_it_has_not_changed(trip):
    store(estimate_of(trip))
    store(estimate_of(trip, 20, 290, route=None))
    row = TripEta.objects.get()
    assert (row.arrives_at, row.route) == (at(290), "_p~iF~ps|U")
    store(estimate_of(trip, 40, 290, route=""))
    assert TripEta.objects.get().route == ""
    assert rows.load_routes([trip.pk]) == {}


def test_older_estimate_and_one_just_after_another_workers_change_nothing(trip):
    store(estimate_of(trip, 30))
    assert store(estimate_of(trip, 29, 999)) == ([], [])
    assert store(estimate_of(trip, 49, 999, route=None)) == ([], [])
    assert TripEta.objects.get().arrives_at == at(300)
    assert store(estimate_of(trip, 50, 301)) == ([trip.pk], [])


def test_line_that_was_owed_or_is_another_one_is_stored_at_once(trip):
    store(estimate_of(trip, 0, route=""))
    assert store(estimate_of(trip, 1)) == ([trip.pk], [])
    assert store(estimate_of(trip, 2, route=None)) == ([], [])
    assert store(estimate_of(trip, 7)) == ([trip.pk], [])


def test_next_waypoint_is_stored_at_once_and_is_no_event(trip):
    store(estimate_of(trip))
    store(estimate_of(trip, 1, 900, waypoint=1, kind="dropoff"))
    row = TripEta.objects.get()
    assert (row.waypoint, row.arrives_at, row.announced_at) == (1, at(900), at(900))
    assert events() == []


def test_repeated_store_is_stored_and_has_its_event_once(trip):
    """A lost connection repeats the function, though the first one may be committed."""
    store(estimate_of(trip))
    late = estimate_of(trip, 20, 500)
    assert store(late) == store(late) == ([trip.pk], [])
    assert len(events()) == 1


def test_arrival_that_moves_is_an_event(driver, trip):
    store(estimate_of(trip))
    store(estimate_of(trip, 20, 420))
    assert events() == []
    store(estimate_of(trip, 40, 421, confidence="low"))
    trip.refresh_from_db()
    assert events() == [
        {
            "trip": trip.pk,
            "reference": "T-7",
            "driver": driver.pk,
            "sequence": trip.event_count,
            "waypoint": "pickup",
            "number": 0,
            "arrives_at": "2026-01-31T12:07:01.000Z",
            "seconds": 381,
            "confidence": "low",
            "previous_arrives_at": "2026-01-31T12:05:00.000Z",
        }
    ]
    # From now on it is compared with what was told.
    store(estimate_of(trip, 60, 302))
    assert len(events()) == 1
    store(estimate_of(trip, 80, 300))
    assert len(events()) == 2


@pytest.mark.parametrize("end", ["complete", "cancel"])
def test_ended_trip_has_no_estimate(trip, end):
    store(estimate_of(trip))
    getattr(trips, end)(trip)
    assert store(estimate_of(trip, 30)) == ([], [])
    assert not TripEta.objects.exists()


def test_estimate_of_a_former_driver_is_not_stored(trip, new_user):
    estimate = estimate_of(trip, 30)
    other = trips.assign(trip, new_user("driver"))
    assert store(estimate) == ([], [])
    assert store(estimate_of(other, 1)) == ([trip.pk], [])


def test_deleted_trip_costs_nothing(trip, new_user):
    other = trips.create(riders=[new_user()], driver=new_user("driver"), waypoints=WAYPOINTS)
    gone = estimate_of(trip, trip_id=10**6)
    assert store(gone, estimate_of(other)) == ([other.pk], [])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_locked_trip_is_not_waited_for(database, trip, new_user):
    other = trips.create(riders=[new_user()], driver=new_user("driver"), waypoints=WAYPOINTS)
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(database):
            Trip.objects.select_for_update().get(pk=trip.pk)
            held.set()
            done.wait(DEADLINE)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(DEADLINE)
    assert store(estimate_of(trip), estimate_of(other)) == ([other.pk], [trip.pk])
    done.set()
    holder.join()
    assert store(estimate_of(trip)) == ([trip.pk], [])


def test_one_upsert_for_many_trips(trip, new_user, database):
    many = [
        trips.create(riders=[new_user()], driver=new_user("driver"), waypoints=WAYPOINTS)
        for _ in range(5)
    ]
    store(*(estimate_of(each) for each in many))
    again = [estimate_of(each, 20, 310, route=None) for each in many]
    # The lock, the stored rows, and the upsert.
    with CaptureQueriesContext(connections[database]) as captured:
        store(*again)
    statements = [query["sql"] for query in captured if "tracking_" in query["sql"]]
    assert len(statements) == 3
    assert sum("INSERT" in each for each in statements) == 1
