"""Expiry after HISTORY_DAYS, and holds that keep a part."""

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from tracking import trips
from tracking.grants import open_grant
from tracking.history import partitions, retention
from tracking.history.packer import pack_day
from tracking.history.partitions import create_days, history_db, start_of
from tracking.history.retention import InvalidHold, expire, hold, release
from tracking.models import (
    HistoryFix,
    HistoryHold,
    HistorySegment,
    TripAssignment,
    WatchGrant,
)

from ..fakes import DEADLINE
from ..rows import drivers
from .rows import (
    day_ago,
    days_with_partitions,
    fix_at,
    fixes_at,
    hot,
    insert,
    kept,
    packed,
    running,
)

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("no_partitions"),
]

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

# HISTORY_DAYS is 60. A day that began 60 days ago may hold fixes of the last 60 days.
EXPIRED, NOT_EXPIRED = day_ago(61), day_ago(60)
ONE, TWO = 900_019, 900_020


def held(day, begin, end, driver=ONE, reference="T-7"):
    """Hold a part of a day, in seconds."""
    midnight = start_of(day)
    since, until = midnight + timedelta(seconds=begin), midnight + timedelta(seconds=end)
    return hold(reference, driver, since, until)


def test_days_that_ended_before_the_limit_are_deleted(keep):
    keep(ONE, fixes_at(EXPIRED, 0, 86399))
    keep(TWO, fixes_at(day_ago(90), 5))
    keep(ONE, fixes_at(NOT_EXPIRED, 0, 5))
    assert expire() == ([day_ago(90), EXPIRED], [], [])
    assert kept(ONE) == fixes_at(NOT_EXPIRED, 0, 5)
    assert kept(TWO) == []
    assert days_with_partitions(HistorySegment) + days_with_partitions() in (
        [NOT_EXPIRED],
        [NOT_EXPIRED] * 2,
    )
    assert expire() == ([], [], [])


def test_nothing_expires_without_history_days(keep, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "HISTORY_DAYS": 0}
    keep(ONE, fixes_at(EXPIRED, 5))
    assert expire() == ([], [], [])
    assert kept(ONE) == fixes_at(EXPIRED, 5)


def test_days_expire_also_when_the_history_is_off(keep, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off"}
    keep(ONE, fixes_at(EXPIRED, 5))
    assert expire().days == [EXPIRED]
    assert kept(ONE) == []


def test_a_held_part_of_a_day_is_kept_exactly_until_it_is_released(keep):
    keep(ONE, fixes_at(EXPIRED, 10, 1000, 1500, 2000, 3500, 5000, 9000))
    keep(TWO, fixes_at(EXPIRED, 1500))
    held(EXPIRED, 1000, 2000)
    held(EXPIRED, 3400, 5001, reference="T-8")
    for _ in range(2):
        assert expire() == ([], [EXPIRED], [])
        assert kept(ONE) == fixes_at(EXPIRED, 1000, 1500, 3500, 5000)
        assert kept(TWO) == []
    assert release("T-7") == 1
    expire()
    assert kept(ONE) == fixes_at(EXPIRED, 3500, 5000)
    assert release("T-8") == 1
    assert expire() == ([EXPIRED], [], [])
    assert kept(ONE) == []
    assert (hot(), packed()) == (0, 0)
    assert days_with_partitions() == days_with_partitions(HistorySegment) == []


def test_a_hold_over_midnight_keeps_both_parts(keep):
    days = day_ago(63), day_ago(62)
    keep(ONE, fixes_at(days[0], 80000, 86399.999))
    keep(ONE, fixes_at(days[1], 0, 100))
    hold("T-7", ONE, fix_at(days[0], 86000).recorded_at, fix_at(days[1], 50).recorded_at)
    assert expire().held == list(days)
    assert kept(ONE) == [fix_at(days[0], 86399.999), fix_at(days[1], 0)]


def test_a_damaged_segment_is_deleted_unless_a_part_of_it_is_held():
    insert(ONE, fixes_at(EXPIRED, 10, 3700))
    pack_day(EXPIRED)
    HistorySegment.objects.using(history_db()).update(data=b"\x09damaged")
    held(EXPIRED, 3700, 3800)
    expire()
    assert packed() == 1
    release("T-7")
    expire()
    assert packed() == 0


def test_packing_leaves_what_is_held_beyond_the_limit(keep):
    keep(ONE, fixes_at(EXPIRED, 10, 20))
    held(EXPIRED, 15, 25)
    expire()
    pack_day(EXPIRED)
    expire()
    assert kept(ONE) == fixes_at(EXPIRED, 20)
    assert hot() == 0


@on_postgresql
def test_a_hold_that_is_made_while_the_day_is_dropped_is_obeyed(monkeypatch):
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    insert(ONE, fixes_at(EXPIRED, 10, 20))
    change, made = partitions.change_partition, []

    def hold_then_change(*args):
        # After the day was found to have no holds.
        if not made:
            with running(held, EXPIRED, 15, 25) as results:
                pass
            made.extend(results[0])
        return change(*args)

    monkeypatch.setattr(partitions, "change_partition", hold_then_change)
    assert expire() == ([], [], [EXPIRED])
    assert kept(ONE) == fixes_at(EXPIRED, 10, 20)
    assert expire() == ([], [EXPIRED], [])
    assert kept(ONE) == fixes_at(EXPIRED, 20)


@on_postgresql
def test_a_day_in_use_is_left_to_the_next_run(monkeypatch):
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    insert(ONE, fixes_at(EXPIRED, 10))
    with transaction.atomic(history_db()):
        kept(ONE)
        with running(expire) as results:
            pass
    assert results == [([], [], [EXPIRED])]
    assert expire().days == [EXPIRED]


@on_postgresql
def test_a_partition_in_use_is_not_dropped_with_the_other(monkeypatch):
    create_days(HistoryFix, [EXPIRED])
    create_days(HistorySegment, [EXPIRED])
    monkeypatch.setattr(retention, "drop_day", lambda model, day, **rest: model is HistoryFix)
    assert expire().busy == [EXPIRED]


def test_holding_again_returns_the_same_hold():
    (first,) = held(EXPIRED, 0, 10)
    assert held(EXPIRED, 0, 10) == [first]
    (other,) = held(EXPIRED, 0, 11)
    assert other != first
    assert release("T-7") == 2
    assert release("T-7") == 0
    assert held(EXPIRED, 0, 10) != [first]


def test_a_hold_stores_who_asked_for_it():
    (staff,) = drivers(1)
    (made,) = hold("T-7", ONE, timezone.now() - timedelta(hours=1), timezone.now(), by=staff)
    assert made.held_by_id == staff
    assert timezone.now() - made.held_at < timedelta(seconds=DEADLINE)
    assert release("T-7", by=staff) == 1


def test_a_trips_grants_are_its_windows():
    one, two, rider, other = drivers(4)
    at = datetime.now(tz=start_of(EXPIRED).tzinfo) - timedelta(hours=5)
    minutes = timedelta(minutes=1)

    def grant(driver, watcher, begin, end, ended=None, reference="T-7"):
        WatchGrant.objects.using(history_db()).create(
            driver_id=driver,
            watcher_id=watcher,
            starts_at=at + begin * minutes,
            ends_at=at + end * minutes,
            ended_at=None if ended is None else at + ended * minutes,
            reference=reference,
        )

    grant(one, rider, 0, 60)
    grant(one, other, 0, 60)  # the same trip's other rider
    grant(one, rider, 70, 130, ended=90)
    grant(two, rider, 0, 60, ended=10)
    grant(two, rider, 100, 160, ended=99)  # never began
    grant(two, rider, 200, 220, ended=240)  # had expired before it was ended
    grant(two, rider, 0, 60, reference="T-77")
    made = hold("T-7")
    assert [(each.driver_id, each.since, each.until) for each in made] == [
        (one, at, at + 60 * minutes),
        (one, at + 70 * minutes, at + 90 * minutes),
        (two, at, at + 10 * minutes),
        (two, at + 200 * minutes, at + 220 * minutes),
    ]
    assert hold("T-7") == made
    assert HistoryHold.objects.using(history_db()).count() == 4


def test_the_times_of_a_trips_drivers_are_its_windows():
    one, two, rider, other = drivers(4)
    before = timezone.now()
    trip = trips.create(reference="T-7", riders=[rider], driver=one)
    trips.assign(trip, two)
    trips.complete(trip)
    trips.complete(trips.create(reference="T-77", riders=[rider], driver=one))
    # A grant of the host's own for the same reference.
    grant = open_grant(driver=one, watcher=other, ends_at=before + timedelta(1), reference="T-7")
    made = {(each.driver_id, each.since, each.until) for each in hold("T-7")}
    assert made == {
        *trip.assignments.values_list("driver", "since", "until"),
        (one, grant.starts_at, grant.ends_at),
    }
    assert {driver for driver, *_ in made} == {one, two}
    assert len(hold("T-7")) == 3
    assert HistoryHold.objects.using(history_db()).count() == 3


def test_a_trip_that_has_not_ended_is_held_for_whole_days_or_to_its_latest_end():
    one, two = drivers(2)
    first = trips.create(reference="T-1", driver=one)
    ends_at = timezone.now() + timedelta(hours=30)
    trips.create(reference="T-2", driver=two, ends_at=ends_at)
    day = timedelta(days=1)
    (made,) = hold("T-1")
    assert (made.since, made.until) == (first.assigned_at, first.assigned_at + day)
    assert hold("T-1") == [made]
    assert hold("T-2")[0].until == ends_at
    TripAssignment.objects.filter(trip=first).update(since=timezone.now() - 2.5 * day)
    (longer,) = hold("T-1")
    assert longer.until == longer.since + 3 * day
    with pytest.raises(InvalidHold):
        hold("T-3")


NOW = timezone.now()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["unknown"], "No trip has this reference"),
        ([""], "1 to 200 characters"),
        (["T" * 201], "1 to 200 characters"),
        (["T-7", ONE], "or none of them"),
        (["T-7", None, NOW, NOW + timedelta(1)], "or none of them"),
        (["T-7", ONE, NOW], "or none of them"),
        (["T-7", ONE, NOW, NOW], "after the start"),
        (["T-7", ONE, NOW, NOW - timedelta(1)], "after the start"),
        (["T-7", ONE, NOW.replace(tzinfo=None), NOW], "time zone"),
        (["T-7", ONE, NOW, NOW.replace(tzinfo=None)], "time zone"),
    ],
)
def test_a_hold_of_nothing_is_refused(arguments, reason):
    with pytest.raises(InvalidHold, match=reason):
        hold(*arguments)
    assert not HistoryHold.objects.using(history_db()).exists()
