"""The time of arrival in a trip's frame: that of its driver at its next waypoint, or none."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from tracking import trips
from tracking.models import Trip, TripEta
from tracking.protocol import format_time
from tracking.trips.content import content_of, with_content
from tracking.trips.hub import TripHub
from tracking.trips.rows import load_trips

from ..fakes import settle
from .test_hub import Follower, row

pytestmark = pytest.mark.django_db

WAYPOINTS = [
    {"kind": "pickup", "lat": 60.17, "lon": 24.94},
    {"kind": "dropoff", "lat": 60.20, "lon": 24.95},
]


@pytest.fixture
def trip(new_user):
    return trips.create(riders=[new_user()], driver=new_user("driver"), waypoints=WAYPOINTS)


def compute(trip, seconds=240.4, **rest):
    now = timezone.now()
    fields = {
        "driver_id": trip.driver_id,
        "waypoint": 0,
        "arrives_at": now + timedelta(seconds=seconds),
        "distance": 1600.04,
        "confidence": "high",
        "computed_at": now,
        "route": "_p~iF~ps|U",
    }
    return TripEta.objects.update_or_create(trip=trip, defaults=fields | rest)[0]


def content(trip):
    """Return the content of the trip, which is the same whether it is fetched before or not."""
    first, second = (
        content_of(trips.get(pk=trip.pk)) for trips in (Trip.objects, with_content(Trip.objects))
    )
    assert first == second
    return first


def test_trip_without_a_time_of_arrival_has_none(trip):
    assert (content(trip).eta, content(trip).route) == (None, None)


def test_time_of_arrival_is_in_the_trip(trip):
    row = compute(trip)
    eta = content(trip).eta
    assert eta.seconds == 240
    assert (eta.distance, eta.confidence) == (1600.0, "high")
    assert eta.arrives_at == format_time(row.arrives_at)
    assert eta.computed_at == format_time(row.computed_at)
    assert content(trip).route == "_p~iF~ps|U"


def test_seconds_are_never_negative(trip):
    compute(trip, -5, route="")
    assert content(trip).eta.seconds == 0
    assert content(trip).route is None


def test_of_a_former_driver_there_is_none(trip, new_user):
    compute(trip)
    former = trip.driver_id
    trip = trips.assign(trip, new_user("driver"))
    assert not TripEta.objects.exists()
    compute(trip, driver_id=former)
    assert content(trip).eta is None


def test_of_a_former_waypoint_there_is_none(trip):
    compute(trip)
    trip = trips.set_status(trip, "enroute_to_dropoff")
    assert (content(trip).eta, content(trip).route) == (None, None)
    compute(trip, waypoint=1)
    assert content(trip).eta is not None


def test_of_a_waypoint_that_was_left_there_is_none(trip):
    compute(trip)
    trip.assignments.update(reached={"0": {"arriving": "", "arrived": ""}})
    assert content(trip).eta is not None
    trip.assignments.update(reached={"0": {"arriving": "", "arrived": "", "departed": ""}})
    assert content(trip).eta is None


@pytest.mark.parametrize("end", [trips.complete, trips.cancel])
def test_after_the_end_there_is_none(trip, end):
    end(trip)
    compute(trip)
    assert content(trip).eta is None


def test_many_trips_are_read_with_as_many_queries_as_one(
    new_user, trip, django_assert_max_num_queries
):
    others = [
        trips.create(riders=[new_user()], driver=new_user("driver"), waypoints=WAYPOINTS)
        for _ in range(3)
    ]
    for each in (trip, *others):
        compute(each)
    with django_assert_max_num_queries(3):
        rows = load_trips([each.pk for each in (trip, *others)])
    assert all(json.loads(row.frame)["trip"]["eta"] for row in rows.values())


async def test_followers_get_a_new_time_once(hub):
    """Seconds pass between two reads of the same row, which is no change."""
    first, again, changed = (
        _row(seconds, arrives_at) for seconds, arrives_at in ((9, "a"), (8, "a"), (20, "b"))
    )
    trips, follower = TripHub(hub, None), Follower()

    async def get(trip_id):
        return first

    trips.get = trips._trips.get = get
    await trips.follow(7, follower)
    for each in (again, changed, changed, first):
        trips.apply(each)
        await settle()
    texts = [event["text"] for event in follower.sent if "userId" not in event["text"]]
    assert texts == ['{"trip": 9}', '{"trip": 20}', '{"trip": 9}']
    await trips.close()


def _row(seconds, arrives_at):
    return row(1, 1)._replace(frame=json.dumps({"trip": seconds}), lasting=arrives_at)
