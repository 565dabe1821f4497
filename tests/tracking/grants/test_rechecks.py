"""Rechecks of open connections when a grant changes."""

import pytest
from django.db import transaction

from tracking.grants import end_grant, open_grant, reschedule_grant
from tracking.models import WatchGrant

from .times import HOUR, NOON, SECOND

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def test_opening_rescheduling_and_ending_check_the_watcher(trip, rechecked):
    grant = open_grant(**trip)
    reschedule_grant(grant, ends_at=NOON + 2 * HOUR)
    end_grant(grant)
    assert rechecked == [[trip["watcher"]]] * 3


def test_nobody_is_checked_before_the_commit(trip, rechecked):
    with transaction.atomic():
        grant = open_grant(**trip)
        end_grant(grant)
        assert rechecked == []
    assert rechecked == [[trip["watcher"]]] * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda trip: open_grant(**trip),
        lambda trip: end_grant(WatchGrant.objects.get()),
        lambda trip: reschedule_grant(WatchGrant.objects.get(), ends_at=NOON + 2 * HOUR),
        lambda trip: WatchGrant.objects.get().delete(),
    ],
    ids=["open", "end", "reschedule", "delete"],
)
def test_change_that_is_rolled_back_checks_nobody(trip, grant, rechecked, change):
    with transaction.atomic():
        change(trip)
        transaction.set_rollback(True)
    assert rechecked == []
    assert WatchGrant.objects.live(NOON).get() == grant


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("starts_at", NOON + SECOND),
        ("ends_at", NOON + SECOND),
        ("ended_at", NOON),
    ],
)
def test_a_projects_own_save_checks_the_watcher(grant, rechecked, field, value):
    setattr(grant, field, value)
    grant.save()
    assert rechecked == [[grant.watcher_id]]


def test_reassigning_the_trip_to_another_driver_checks_the_watcher(grant, rechecked, other_driver):
    grant.driver_id = other_driver
    grant.save()
    assert rechecked == [[grant.watcher_id]]


def test_grant_that_passes_to_another_watcher_checks_both(grant, rechecked, people, other_driver):
    grant.watcher_id = other_driver
    grant.save()
    assert rechecked == [sorted([people[1].pk, other_driver])]
    grant.save()
    assert rechecked[1:] == [[other_driver]]


@pytest.mark.parametrize(
    "delete",
    [
        lambda grant: grant.delete(),
        lambda grant: WatchGrant.objects.all().delete(),
        lambda grant: grant.driver.delete(),
    ],
    ids=["the grant", "a queryset", "its driver"],
)
def test_deletion_checks_the_watcher(grant, rechecked, delete):
    delete(grant)
    assert rechecked == [[grant.watcher_id]]


@pytest.mark.parametrize("over", ["ended", "expired"])
def test_deleting_a_grant_that_is_over_checks_nobody(grant, rechecked, clock, over):
    if over == "ended":
        end_grant(grant)
    clock.now = NOON + HOUR
    rechecked.clear()
    WatchGrant.objects.all().delete()
    assert rechecked == []


def test_deleting_a_grant_that_was_prolonged_since_it_was_read_checks_the_watcher(
    grant, rechecked, clock
):
    reschedule_grant(WatchGrant.objects.get(), ends_at=NOON + 2 * HOUR)
    rechecked.clear()
    clock.now = NOON + HOUR + SECOND
    grant.delete()
    assert rechecked == [[grant.watcher_id]]


def test_deleting_a_grant_that_was_handed_on_since_it_was_read_checks_both(
    grant, rechecked, people, other_driver
):
    WatchGrant.objects.update(watcher=other_driver)
    grant.delete()
    assert rechecked == [sorted([people[1].pk, other_driver])]
