"""Share links over HTTP."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from tracking import shares, trips
from tracking.models import TripShare

from ..rest.callers import new_caller

pytestmark = pytest.mark.django_db(transaction=True)


def path(trip, share_id=None):
    return f"/trips/{trip.pk}/shares/" + ("" if share_id is None else f"{share_id}/")


def test_rider_creates_a_link_and_sees_its_url_once(rider, trip):
    response = rider.post(path(trip))
    answer, share = response.json(), TripShare.objects.get()
    assert response.status_code == 201
    assert answer.keys() == {"id", "url", "expires_at"}
    secret = answer["url"].removeprefix("http://testserver/t/")
    assert share.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in rider.get(path(trip)).content.decode()


def test_list_has_the_live_links(rider, trip):
    first = rider.post(path(trip)).json()
    shares.revoke(rider.post(path(trip)).json()["id"])
    answer = rider.get(path(trip)).json()
    assert answer["next"] is None
    assert answer["previous"] is None
    (found,) = answer["results"]
    assert found.keys() == {"id", "created_at", "expires_at", "opened_at", "created_by"}
    assert (found["id"], found["opened_at"]) == (first["id"], None)
    assert found["created_by"] == "Ama Boateng"


def test_six_links_at_once_are_too_many(rider, trip):
    for _ in range(5):
        assert rider.post(path(trip)).status_code == 201
    response = rider.post(path(trip))
    assert (response.status_code, response.json()["code"]) == (409, "too_many_shares")
    assert rider.client.delete(path(trip, TripShare.objects.first().pk)).status_code == 204
    assert rider.post(path(trip)).status_code == 201


def test_revoking_twice_is_no_error(rider, trip, link):
    for _ in range(2):
        assert rider.client.delete(path(trip, link.share.pk)).status_code == 204
    assert TripShare.objects.get().ended_at is not None


def test_staff_who_may_change_trips_share_them(staff, trip):
    assert staff.post(path(trip)).status_code == 201
    assert staff.get(path(trip)).json()["results"][0]["created_by"] == "Dispatch Desk"


def test_trip_of_others_is_like_one_that_is_missing(driver, trip, link):
    for caller in (driver, new_caller("rider")):
        missing = caller.get("/trips/999999/shares/")
        assert missing.status_code == 404
        for response in (
            caller.get(path(trip)),
            caller.post(path(trip)),
            caller.client.delete(path(trip, link.share.pk)),
        ):
            assert (response.status_code, response.json()) == (404, missing.json())
    assert TripShare.objects.get().ended_at is None


def test_link_of_another_trip_cannot_be_revoked(rider, trip, link):
    other = trips.create(riders=[rider.pk])
    assert rider.client.delete(path(other, link.share.pk)).status_code == 404


def test_rider_does_not_see_who_else_shares_and_may_end_it(rider, trip):
    friend = new_caller("rider", name="Friend")
    trip.riders.add(friend.pk)
    other = shares.create(trip, by=friend.pk).share
    assert rider.get(path(trip)).json()["results"][0]["created_by"] is None
    assert rider.client.delete(path(trip, other.pk)).status_code == 204


def test_trip_that_has_ended_is_not_shared(rider, trip):
    trips.cancel(trip)
    response = rider.post(path(trip))
    assert (response.status_code, response.json()["code"]) == (409, "trip_over")


def test_link_expires_with_the_trip(rider):
    ends_at = timezone.now() + timedelta(minutes=5)
    trip = trips.create(riders=[rider.pk], ends_at=ends_at)
    assert shares.create(trip, by=rider.pk).share.expires_at == ends_at


def test_stranger_is_refused(client, trip):
    assert client.get(path(trip)).status_code == 401
    assert client.post(path(trip)).status_code == 401
