"""A trip, its people, and a link to it."""

import pytest
from django.core.cache import cache

from tracking import shares, trips

from ..rest.callers import new_caller
from ..rest.staff import permitted


@pytest.fixture(autouse=True)
def _unthrottled():
    cache.clear()


@pytest.fixture
def rider(db):
    return new_caller("rider", name="Ama Boateng")


@pytest.fixture
def driver(db):
    return new_caller("driver", name="Kofi Mensah")


@pytest.fixture
def staff(db):
    caller = new_caller("dispatcher", name="Dispatch Desk")
    permitted(caller.pk, "view_trip", "change_trip")
    return caller


@pytest.fixture
def trip(rider, driver):
    return trips.create(
        riders=[rider.pk],
        reference="secret reference",
        driver=driver.pk,
        vehicle="white Prius, GR 123",
        waypoints=[
            {"kind": "pickup", "lat": 5.6037, "lon": -0.187, "name": "12 Harbour Road"},
            {"kind": "dropoff", "lat": 5.615, "lon": -0.175, "name": "Airport"},
        ],
    )


@pytest.fixture
def link(trip, rider):
    """A live link and its secret."""
    return shares.create(trip, by=rider.pk)
