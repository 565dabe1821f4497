"""`manage.py tracking_maintain`: its steps, their order, and runs at the same time."""

from datetime import timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from tracking.access_log import BATCH_SIZE, purge
from tracking.history import maintenance, partitions
from tracking.history.erasure import erase
from tracking.history.maintenance import exclusive
from tracking.history.packing import CorruptSegment
from tracking.history.partitions import existing_days, history_db, is_partitioned
from tracking.history.retention import hold
from tracking.models import HistoryFix, HistorySegment, LocationAccess

from ..fakes import DEADLINE
from .rows import (
    day_ago,
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

# HISTORY_DAYS is 60, HISTORY_HOT_DAYS is 3.
EXPIRED, OLD, HOT = day_ago(61), day_ago(4), day_ago(3)
ONE, TWO = 900_019, 900_020


def maintain():
    """Return the lines of a run."""
    out = StringIO()
    call_command("tracking_maintain", stdout=out)
    return out.getvalue().splitlines()


def look(days_ago):
    LocationAccess.objects.using(history_db()).create(
        at=timezone.now() - timedelta(days=days_ago), way=LocationAccess.Way.REST
    )


def test_a_run_does_each_step_and_says_so_in_a_line():
    insert(ONE, fixes_at(EXPIRED, 5))
    insert(ONE, fixes_at(OLD, 5, 3700))
    insert(TWO, fixes_at(OLD, 5))
    insert(ONE, fixes_at(HOT, 5))
    erase(TWO)
    insert(TWO, fixes_at(OLD, 6))  # as from a backup
    look(days_ago=91)
    look(days_ago=89)
    created = 16 if is_partitioned() else 0
    assert maintain() == [
        "Overdue trips: 0 canceled",
        f"Partitions: {created} created",
        "Erasures: 1 applied again, 1 fixes deleted",
        "Expired days: 1 deleted",
        "Expired places: 0 of state changes, 0 drivers' of shifts, and those of 0 trips deleted",
        "Expired ways of trips: 0 deleted",
        "Days to pack: 1 packed, 2 fixes",
        "Erasures after packing: 0 applied again, 0 fixes deleted",
        "Events: 0 rows deleted, and of visits to zones 0 rows deleted",
        "Share links: 0 rows deleted",
        "Alerts: 0 rows deleted",
        "Audit trail: 1 rows deleted",
    ]
    assert kept(ONE) == [*fixes_at(OLD, 5, 3700), *fixes_at(HOT, 5)]
    assert kept(TWO) == []
    assert (hot(), packed()) == (1, 2)
    if is_partitioned():
        ahead = [day_ago(-days) for days in range(8)]
        assert existing_days(HistoryFix) == [HOT, *ahead]
        assert existing_days(HistorySegment) == [OLD, *ahead]


def test_a_second_run_changes_nothing():
    insert(ONE, fixes_at(OLD, 5, 3700))
    maintain()
    assert maintain() == [
        "Overdue trips: 0 canceled",
        "Partitions: 0 created",
        "Erasures: 0 applied again, 0 fixes deleted",
        "Expired days: 0 deleted",
        "Expired places: 0 of state changes, 0 drivers' of shifts, and those of 0 trips deleted",
        "Expired ways of trips: 0 deleted",
        "Days to pack: 0 packed, 0 fixes",
        "Erasures after packing: 0 applied again, 0 fixes deleted",
        "Events: 0 rows deleted, and of visits to zones 0 rows deleted",
        "Share links: 0 rows deleted",
        "Alerts: 0 rows deleted",
        "Audit trail: 0 rows deleted",
    ]
    assert kept(ONE) == fixes_at(OLD, 5, 3700)


def test_what_is_held_of_an_expired_day_is_packed_and_kept():
    insert(ONE, fixes_at(EXPIRED, 5, 15, 25))
    hold("T-7", ONE, fix_at(EXPIRED, 10).recorded_at, fix_at(EXPIRED, 20).recorded_at)
    for _ in range(2):
        assert "Expired days: 0 deleted, 1 kept in part for holds" in maintain()
        assert kept(ONE) == fixes_at(EXPIRED, 15)
        assert (hot(), packed()) == (0, 1)


def test_with_the_history_off_what_is_there_expires_and_is_packed(settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "ACCESS_LOG_DAYS": 0}
    insert(ONE, fixes_at(EXPIRED, 5))
    insert(ONE, fixes_at(OLD, 5))
    look(days_ago=0)
    lines = maintain()
    assert lines[1] == "Partitions: none created, as the history is off"
    assert lines[-1] == "Audit trail: 1 rows deleted"
    assert kept(ONE) == fixes_at(OLD, 5)
    assert hot() == 0


def test_without_history_days_nothing_expires(settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "HISTORY_DAYS": 0}
    insert(ONE, fixes_at(EXPIRED, 5))
    assert "Expired days: none deleted, as TRACKING['HISTORY_DAYS'] is not set" in maintain()
    assert kept(ONE) == fixes_at(EXPIRED, 5)


def test_the_whole_audit_trail_is_purged_in_batches():
    rows = LocationAccess.objects.using(history_db())
    old = timezone.now() - timedelta(days=91)
    rows.bulk_create(
        LocationAccess(at=old, way=LocationAccess.Way.REST) for _ in range(BATCH_SIZE + 1)
    )
    look(days_ago=1)
    assert f"Audit trail: {BATCH_SIZE + 1} rows deleted" in maintain()
    assert rows.count() == 1
    assert purge() == 0


def test_a_damaged_segment_is_named_and_stops_no_other_day():
    older = day_ago(6)
    insert(ONE, fixes_at(older, 5))
    maintain()
    HistorySegment.objects.using(history_db()).update(data=b"\x09damaged")
    insert(ONE, fixes_at(older, 6))  # a late upload
    insert(ONE, fixes_at(OLD, 5))
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 steps failed: Days to pack"):
        call_command("tracking_maintain", stdout=out, stderr=err)
    assert err.getvalue() == (
        f"Days to pack: failed: 1 packed, 1 fixes, not {older} (the segment's version is not 1)\n"
    )
    assert out.getvalue().endswith("Audit trail: 0 rows deleted\n")
    assert hot() == 1  # the late fix is still there
    with pytest.raises(CorruptSegment):
        kept(ONE)


@on_postgresql
def test_a_second_run_at_the_same_time_does_nothing():
    with exclusive() as is_first:
        assert is_first
        with running(maintain) as results:
            pass
        assert results == [["Another tracking_maintain is running. Nothing was done."]]
    assert len(maintain()) == 12


@on_postgresql
def test_two_runs_that_start_at_once_lose_nothing(monkeypatch):
    fixes = fixes_at(OLD, *range(0, 80000, 700))
    for driver in (ONE, TWO):
        insert(driver, fixes)
    packing, done = Event(), Event()
    pack_day = maintenance.pack_day

    def pack_slowly(day):
        packing.set()
        assert done.wait(DEADLINE)
        return pack_day(day)

    monkeypatch.setattr(maintenance, "pack_day", pack_slowly)
    with running(maintain) as first:
        assert packing.wait(DEADLINE)
        with running(maintain) as second:
            pass
        done.set()
    assert len(first[0]) == 12
    assert len(second[0]) == 1
    assert kept(ONE) == kept(TWO) == fixes


@on_postgresql
def test_two_packers_at_once_lose_nothing():
    # As after the lock's connection was lost.
    fixes = fixes_at(OLD, *range(0, 80000, 700))
    for driver in (ONE, TWO):
        insert(driver, fixes)
    with running(maintenance.pack_day, OLD), running(maintenance.pack_day, OLD):
        pass
    assert kept(ONE) == kept(TWO) == fixes
    maintenance.pack_old()
    assert hot() == 0
    assert kept(ONE) == kept(TWO) == fixes


@on_postgresql
@pytest.mark.parametrize(
    ("day", "line"),
    [
        (OLD, f"Days to pack: 0 packed, 1 fixes; in use, so left to the next run: {OLD}"),
        (EXPIRED, f"Expired days: 0 deleted; in use, so left to the next run: {EXPIRED}"),
    ],
)
def test_a_day_in_use_is_named_and_left_to_the_next_run(monkeypatch, day, line):
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    insert(ONE, fixes_at(day, 5))
    with transaction.atomic(history_db()):
        assert kept(ONE) == fixes_at(day, 5)
        with running(maintain) as results:
            pass
    assert line in results[0]
    assert existing_days(HistoryFix)[0] == day
    maintain()
    assert existing_days(HistoryFix)[0] > day
