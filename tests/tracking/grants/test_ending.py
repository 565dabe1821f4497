from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from django.db import connections

from tracking.grants import InvalidGrant, end_grant, end_grants, open_grant, reschedule_grant
from tracking.models import WatchGrant

from .times import HOUR, NOON, SECOND

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

both_databases = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


def test_end_grant_ends_it_now(grant, clock):
    clock.now = NOON + SECOND
    end_grant(grant)
    assert grant.ended_at == NOON + SECOND
    assert WatchGrant.objects.get().ended_at == NOON + SECOND
    assert WatchGrant.objects.get().ends_at == NOON + HOUR


def test_ending_again_changes_nothing_and_checks_nobody(grant, clock, rechecked):
    end_grant(grant)
    rechecked.clear()
    clock.now += SECOND
    end_grant(grant)
    assert grant.ended_at == NOON
    assert rechecked == []


def test_grant_that_somebody_else_ended_keeps_its_end(grant, clock):
    other = WatchGrant.objects.get()
    end_grant(other)
    clock.now += SECOND
    end_grant(grant)
    assert grant.ended_at == NOON


def test_ending_a_deleted_grant_is_no_error(grant):
    WatchGrant.objects.all().delete()
    end_grant(grant)
    assert not WatchGrant.objects.exists()


def test_grant_of_the_future_can_be_ended_before_it_starts(trip):
    grant = open_grant(**trip, starts_at=NOON + SECOND)
    end_grant(grant)
    assert not WatchGrant.objects.live(NOON + SECOND).exists()


def test_many_grants_are_ended_with_one_check(trip, other_driver, rechecked):
    first = open_grant(**trip)
    open_grant(**trip | {"driver": other_driver})
    open_grant(**trip | {"watcher": other_driver})
    end_grant(first)
    rechecked.clear()
    assert end_grants(WatchGrant.objects.all()) == 2
    assert rechecked == [sorted([trip["watcher"], other_driver])]
    assert not WatchGrant.objects.filter(ended_at=None).exists()


@both_databases
def test_grant_that_several_end_at_once_is_ended_by_one(database, trip, rechecked, clock):
    grant = open_grant(**trip)
    rechecked.clear()
    contenders = 4
    start = Barrier(contenders)

    def end(number):
        try:
            start.wait(10)
            return end_grants(WatchGrant.objects.filter(pk=grant.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(contenders) as threads:
        ended = list(threads.map(end, range(contenders)))
    assert sorted(ended) == [0, 0, 0, 1]
    assert rechecked == [[trip["watcher"]]]


@both_databases
def test_grants_are_opened_rescheduled_and_ended_in_either_database(database, trip, rechecked):
    grant = open_grant(**trip)
    reschedule_grant(grant, ends_at=NOON + 2 * HOUR)
    end_grant(grant)
    stored = WatchGrant.objects.get()
    assert (stored.ends_at, stored.ended_at) == (NOON + 2 * HOUR, NOON)
    assert rechecked == [[trip["watcher"]]] * 3


# Rescheduling


@pytest.mark.parametrize("ends_at", [NOON + SECOND, NOON + 2 * HOUR])
def test_grant_can_end_sooner_or_later_than_it_said(grant, ends_at):
    reschedule_grant(grant, ends_at=ends_at)
    assert WatchGrant.objects.get().ends_at == ends_at


def test_expired_grant_lives_again_when_its_end_moves(grant, clock):
    clock.now = NOON + 2 * HOUR
    reschedule_grant(grant, ends_at=NOON + 3 * HOUR)
    assert WatchGrant.objects.live(clock.now).get() == grant


@pytest.mark.parametrize("ends_at", [NOON, datetime(2026, 6, 1, 13)])
def test_end_in_the_past_or_without_a_zone_is_refused(grant, ends_at, rechecked):
    with pytest.raises(InvalidGrant):
        reschedule_grant(grant, ends_at=ends_at)
    assert grant.ends_at == WatchGrant.objects.get().ends_at == NOON + HOUR
    assert rechecked == []


def test_ended_grant_never_lives_again(grant):
    end_grant(grant)
    with pytest.raises(InvalidGrant, match="can't be reopened"):
        reschedule_grant(grant, ends_at=NOON + 2 * HOUR)


def test_rescheduling_does_not_bring_back_what_somebody_ended_meanwhile(grant):
    end_grant(WatchGrant.objects.get())
    with pytest.raises(InvalidGrant, match="can't be reopened"):
        reschedule_grant(grant, ends_at=NOON + 2 * HOUR)
    assert (WatchGrant.objects.get().ended_at, grant.ends_at) == (NOON, NOON + HOUR)


def test_a_grant_that_was_deleted_meanwhile_is_not_rescheduled(grant):
    WatchGrant.objects.get().delete()
    with pytest.raises(InvalidGrant, match="Open a new one"):
        reschedule_grant(grant, ends_at=NOON + 2 * HOUR)
    assert not WatchGrant.objects.exists()
