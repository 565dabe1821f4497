"""Links that are created and opened at the same moment, in transactions of their own."""

from functools import partial

import pytest

from tests.tracking.threads import together
from tracking import shares, trips
from tracking.models import Event, TripShare
from tracking.shares.links import note_opening

from ..rest.callers import new_caller

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


def test_of_many_at_once_five_are_created(database):
    rider = new_caller("rider").pk
    trip = trips.create(riders=[rider])
    results = together(database, *[partial(shares.create, trip.pk, by=rider)] * 7)
    failed = [each for each in results if isinstance(each, Exception)]
    assert [type(each) for each in failed] == [shares.TooManyShares] * 2, results
    assert TripShare.objects.count() == 5


def test_first_opening_is_one_event(database):
    rider = new_caller("rider").pk
    trip = trips.create(riders=[rider])
    link = shares.create(trip, by=rider)
    results = together(database, *[partial(note_opening, link.share.pk)] * 4)
    assert results == [None] * 4
    assert Event.objects.filter(type="share.opened").count() == 1
