"""Effects in the database: each once, with its event, whoever else stores them."""

from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from django.db import connections, transaction

from tests.tracking.threads import together
from tracking import trips
from tracking.arrival import rows
from tracking.arrival.effects import Crossed, Reached
from tracking.models import Event, Trip, Zone, ZoneVisit
from tracking.pipeline.rows import Effects, upsert

from ..fakes import NOON, fix_of
from ..rows import stored

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


def store(effects):
    with transaction.atomic(using=Trip.objects.db):
        return rows.store(effects)


def at(second):
    return NOON + timedelta(seconds=second)


def arrivals():
    """Return the types and payloads of the events of waypoints and zones, in order."""
    found = Event.objects.exclude(type__in=["trip.status_changed", "driver.state_changed"])
    return [(event.type, event.data) for event in found.order_by("id")]


def test_step_is_stored_once_with_its_event(driver, trip):
    reached = Reached(trip.pk, 0, "arriving", at(1))
    assert store({driver.pk: [reached]}) == set()
    assert store({driver.pk: [reached, reached._replace(at=at(9))]}) == set()
    assert arrivals() == [
        (
            "waypoint.arriving",
            {
                "trip": trip.pk,
                "reference": "T-7",
                "driver": driver.pk,
                "sequence": 2,
                "waypoint": "pickup",
                "number": 0,
            },
        )
    ]
    event = Event.objects.get(type="waypoint.arriving")
    assert (event.occurred_at, event.trip_id, event.driver_id) == (at(1), trip.pk, driver.pk)
    whereabouts = rows.load_whereabouts([driver.pk])[driver.pk]
    assert whereabouts.drive.reached == {"0": {"arriving": "2026-01-31T12:00:01.000Z"}}


def test_steps_and_statuses_of_a_trip_are_numbered_in_one_sequence(driver, trip):
    store({driver.pk: [Reached(trip.pk, 0, step, at(1)) for step in ("arriving", "arrived")]})
    trips.set_status(trip, "enroute_to_dropoff")
    store({driver.pk: [Reached(trip.pk, 0, "departed", at(2))]})
    trips.complete(trip)
    events = Event.objects.filter(trip=trip.pk).order_by("sequence")
    assert [(event.sequence, event.type) for event in events] == [
        (1, "trip.status_changed"),
        (2, "waypoint.arriving"),
        (3, "waypoint.arrived"),
        (4, "trip.status_changed"),
        (5, "waypoint.departed"),
        (6, "trip.status_changed"),
    ]


def test_nothing_is_stored_for_a_driver_that_has_lost_the_trip(driver, trip, new_user):
    other = new_user("driver")
    trips.assign(trip, other)
    store({driver.pk: [Reached(trip.pk, 0, "arriving", at(1))]})
    assert arrivals() == []
    store({other.pk: [Reached(trip.pk, 0, "arriving", at(1))]})
    assert [kind for kind, _ in arrivals()] == ["waypoint.arriving"]


def test_next_driver_of_a_trip_reaches_its_waypoints_anew(driver, trip, new_user):
    store({driver.pk: [Reached(trip.pk, 0, "arriving", at(1))]})
    other = new_user("driver")
    trips.assign(trip, other)
    assert rows.load_whereabouts([other.pk])[other.pk].drive.reached == {}
    store({other.pk: [Reached(trip.pk, 0, "arriving", at(2))]})
    assert [data["driver"] for _, data in arrivals()] == [driver.pk, other.pk]


@pytest.mark.parametrize("end", [trips.cancel, trips.complete])
def test_nothing_is_stored_after_the_end_of_a_trip(driver, trip, end):
    end(trip)
    assert store({driver.pk: [Reached(trip.pk, 0, "arriving", at(1))]}) == set()
    assert arrivals() == []


def test_nothing_is_stored_for_a_trip_or_zone_that_is_deleted(driver, trip):
    pk = trip.pk
    trip.delete()
    assert store({driver.pk: [Reached(pk, 0, "arriving", at(1)), Crossed(4, True, at(1))]}) == set()
    assert arrivals() == []
    assert not ZoneVisit.objects.exists()


def test_two_workers_that_store_the_same_step_make_one_event(database, driver, trip):
    for number, step in ((0, "arriving"), (0, "arrived"), (0, "departed"), (1, "arriving")):
        effects = {driver.pk: [Reached(trip.pk, number, step, at(1))]}
        # One of the two may find the trip locked; its fix is then stored later.
        results = together(database, partial(store, effects), partial(store, effects))
        assert all(result in (set(), {driver.pk}) for result in results), results
        assert set() in results
    assert [kind for kind, _ in arrivals()] == [
        "waypoint.arriving",
        "waypoint.arrived",
        "waypoint.departed",
        "waypoint.arriving",
    ]


def zone(**fields):
    return Zone.objects.create(
        name="Airport", latitude=60.17, longitude=24.94, radius=500, **fields
    )


def test_visit_to_a_zone_is_stored_once_and_ended_once(driver):
    airport = zone()
    entered, left = Crossed(airport.pk, True, at(1)), Crossed(airport.pk, False, at(90))
    for _ in range(2):
        store({driver.pk: [entered]})
    assert rows.load_whereabouts([driver.pk])[driver.pk] == (None, {airport.pk})
    for _ in range(2):
        store({driver.pk: [left]})
    assert rows.load_whereabouts([driver.pk])[driver.pk] == (None, set())
    common = {"driver": driver.pk, "zone": airport.pk, "name": "Airport"}
    assert arrivals() == [
        ("zone.entered", common),
        ("zone.exited", common | {"entered_at": "2026-01-31T12:00:01.000Z"}),
    ]
    visit = ZoneVisit.objects.get()
    assert (visit.entered_at, visit.exited_at) == (at(1), at(90))


def test_two_workers_that_see_a_driver_enter_store_one_visit(database, driver):
    for _ in range(8):
        airport = zone()
        for entered in (True, False):
            effects = {driver.pk: [Crossed(airport.pk, entered, at(1))]}
            results = together(database, partial(store, effects), partial(store, effects))
            assert results == [set(), set()]
        assert ZoneVisit.objects.filter(zone=airport).count() == 1
    kinds = [kind for kind, _ in arrivals()]
    assert (kinds.count("zone.entered"), kinds.count("zone.exited")) == (8, 8)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def killed_at_statement(number, alias, work):
    """Work until the statement with this number, from 0; return False if there are not so many."""
    statements = count()

    def execute(execute, *args):
        if next(statements) == number:
            raise Killed
        return execute(*args)

    try:
        with connections[alias].execute_wrapper(execute):
            work()
    except Killed:
        connections[alias].close()
        return True
    return False


def test_worker_that_is_killed_at_any_statement_loses_nothing_and_repeats_nothing(
    database, driver, trip
):
    """The fix, the step, the visit and the events: after each kill all of them or none."""
    airport = zone()
    fix = fix_of(driver.pk, 1)
    caused = [Reached(trip.pk, 0, "arriving", at(1)), Crossed(airport.pk, True, at(1))]
    effects = Effects({driver.pk: caused}, rows.store)
    kills = 0
    while killed_at_statement(kills, database, lambda: upsert([fix], (), None, effects)):
        assert (arrivals(), stored(driver.pk)) == ([], None)
        kills += 1
    assert kills >= 8
    assert stored(driver.pk) == fix
    # Another worker did not hear of the commit, and stores the same again.
    upsert([fix], (), None, effects)
    assert [kind for kind, _ in arrivals()] == ["waypoint.arriving", "zone.entered"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_driver_whose_trip_is_locked_waits_and_the_others_do_not(database, driver, trip, new_user):
    other = new_user("driver")
    free = trips.create(riders=[new_user()], driver=other, waypoints=WAYPOINTS)
    effects = {
        driver.pk: [Reached(trip.pk, 0, "arriving", at(1))],
        other.pk: [Reached(free.pk, 0, "arriving", at(1))],
    }
    with transaction.atomic(using=Trip.objects.db):
        Trip.objects.select_for_update().get(pk=trip.pk)
        (locked,) = together(database, partial(store, effects))
    assert locked == {driver.pk}
    assert [data["trip"] for _, data in arrivals()] == [free.pk]
