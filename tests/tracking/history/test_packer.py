"""Packing whole days: reading shows no difference, and nothing that arrives meanwhile is lost."""

from datetime import timedelta
from threading import Event

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracking.history import packer, partitions
from tracking.history.fixes import TrackFix
from tracking.history.packer import pack_day
from tracking.history.partitions import create_days, history_db, start_of
from tracking.models import HistoryFix, HistorySegment

from ..fakes import DEADLINE
from .rows import (
    day_ago,
    days_with_partitions,
    drop_partitions,
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

# In the past of every test, and of one month.
DAY = day_ago(10)
ONE, TWO = 900_019, 900_020


def test_packed_fixes_are_read_as_they_were_stored_and_no_row_is_left():
    fixes = [
        fix_at(DAY, 3),
        fix_at(DAY, 8, accuracy=None, heading=None, speed=None, battery=None, charging=None),
        fix_at(DAY, 3600, latitude=-89.9999999, longitude=-179.9999999, mock=True),
        fix_at(DAY, 86399.999, charging=False, battery=0, heading=0.0, accuracy=1_000_000.0),
        fix_at(DAY, 7.123456, received_at=start_of(DAY) + timedelta(days=3)),
    ]
    insert(ONE, fixes)
    insert(TWO, fixes[:2])
    before = kept(ONE), kept(TWO)
    assert before[0] == sorted(fixes, key=lambda fix: fix.recorded_at)
    assert pack_day(DAY) == (7, True)
    assert (hot(), packed(ONE), packed(TWO)) == (0, 3, 1)
    assert (kept(ONE), kept(TWO)) == before
    assert days_with_partitions() == []


def test_a_day_without_fixes_is_packed_to_nothing():
    create_days(HistoryFix, [DAY])
    assert pack_day(DAY) == (0, True)
    assert packed() == 0
    assert days_with_partitions() == []


def test_a_day_ends_at_midnight_utc():
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    fixes = [
        fix_at(before, 86399.999999),
        *fixes_at(DAY, 0, 86399.999999),
        fix_at(after, 0),
    ]
    insert(ONE, fixes)
    assert pack_day(DAY) == (2, True)
    assert days_with_partitions() == [before, after]
    assert (hot(), packed()) == (2, 2)
    assert kept(ONE) == fixes


def test_late_fixes_are_merged_and_the_packed_one_wins():
    insert(ONE, fixes_at(DAY, 10, 20))
    pack_day(DAY)
    insert(ONE, [fix_at(DAY, 5), fix_at(DAY, 20, speed=99.0), fix_at(DAY, 15), fix_at(DAY, 7200)])
    insert(TWO, [fix_at(DAY, 15)])
    expected = fixes_at(DAY, 5, 10, 15, 20, 7200)
    assert kept(ONE) == expected
    pack_day(DAY)
    assert kept(ONE) == expected
    assert kept(TWO) == fixes_at(DAY, 15)
    assert (hot(), packed(ONE)) == (0, 2)
    segment = HistorySegment.objects.using(history_db()).get(driver_id=ONE, hour=start_of(DAY))
    assert (segment.first_at, segment.count) == (fix_at(DAY, 5).recorded_at, 4)


def test_packing_again_writes_no_segment_again(monkeypatch):
    insert(ONE, fixes_at(DAY, 10, 20))
    pack_day(DAY)
    insert(ONE, fixes_at(DAY, 10))
    monkeypatch.setattr(packer, "_segment", lambda hour: None)
    assert pack_day(DAY) == (1, True)
    assert kept(ONE) == fixes_at(DAY, 10, 20)


def test_an_interrupted_packing_is_completed_by_the_next(monkeypatch):
    insert(ONE, fixes_at(DAY, 10, 3700, 7300))
    write, calls = packer._write, []

    def fail_later(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(packer, "_write", fail_later)
    insert(TWO, fixes_at(DAY, 10))
    with pytest.raises(KeyboardInterrupt):
        pack_day(DAY)
    assert kept(ONE) == fixes_at(DAY, 10, 3700, 7300)
    monkeypatch.undo()
    pack_day(DAY)
    assert kept(ONE) == fixes_at(DAY, 10, 3700, 7300)
    assert kept(TWO) == fixes_at(DAY, 10)
    assert hot() == 0


def test_batches_are_bounded_by_hours_and_by_fixes(monkeypatch):
    monkeypatch.setattr(packer, "MAX_HOURS", 2)
    monkeypatch.setattr(packer, "MAX_FIXES", 3)
    monkeypatch.setattr(packer, "FETCH", 2)
    fixes = fixes_at(DAY, 1, 2, 3, 4, 5)
    for driver in range(1, 6):
        insert(driver, fixes[:driver])
    assert pack_day(DAY) == (15, True)
    assert [kept(driver) for driver in range(1, 6)] == [fixes[:driver] for driver in range(1, 6)]


@on_postgresql
def test_fixes_inserted_while_a_day_is_packed_are_kept(monkeypatch):
    insert(ONE, fixes_at(DAY, 10, 20))
    write, late = packer._write, [fix_at(DAY, 15), fix_at(DAY, 3700)]

    def insert_then_write(batch):
        # After the hour was read, and again after the late fix was.
        if late:
            fix = late.pop()
            with running(insert, ONE, [fix]), running(insert, TWO, [fix]):
                pass
        write(batch)

    monkeypatch.setattr(packer, "_write", insert_then_write)
    assert pack_day(DAY).is_done
    assert kept(ONE) == fixes_at(DAY, 10, 15, 20, 3700)
    assert kept(TWO) == fixes_at(DAY, 15, 3700)
    assert hot() == 0


@on_postgresql
@pytest.mark.parametrize(("last", "attempts"), [(3, 1), (2, 2)])
def test_fixes_inserted_between_packing_and_dropping_are_kept(monkeypatch, last, attempts):
    monkeypatch.setattr(packer, "MAX_LAST", last)
    insert(ONE, fixes_at(DAY, 10, 20))
    pack_late, pack_last, calls = packer._pack_late, packer._pack_last, []

    def insert_after(day):
        pack_late(day)
        if not calls:  # nobody looks without a lock after that
            with running(insert, ONE, fixes_at(DAY, 15, 3700, 7300)):
                pass

    def count(day):
        calls.append(day)
        return pack_last(day)

    monkeypatch.setattr(packer, "_pack_late", insert_after)
    monkeypatch.setattr(packer, "_pack_last", count)
    assert pack_day(DAY).is_done
    assert len(calls) == attempts
    assert kept(ONE) == fixes_at(DAY, 10, 15, 20, 3700, 7300)
    assert hot() == 0


@on_postgresql
def test_late_fixes_are_packed_in_batches_that_are_bounded_by_fixes(monkeypatch):
    monkeypatch.setattr(packer, "MAX_FIXES", 3)
    insert(ONE, fixes_at(DAY, 10, 20))
    late = fixes_at(DAY, 15, 25, 3700, 3800, 3900, 7300)
    write, sizes = packer._write, []

    def insert_once_then_write(batch):
        if not sizes:
            with running(insert, ONE, late), running(insert, TWO, late):
                pass
        sizes.append([len(hour.fixes) for hour in batch])
        write(batch)

    monkeypatch.setattr(packer, "_write", insert_once_then_write)
    assert pack_day(DAY).is_done
    assert [batch for batch in sizes if batch][-5:] == [[4], [3], [1, 2], [3], [1]]
    assert kept(ONE) == fixes_at(DAY, 10, 15, 20, 25, 3700, 3800, 3900, 7300)
    assert kept(TWO) == late
    assert hot() == 0


@on_postgresql
def test_the_partition_stays_while_a_transaction_that_read_it_is_open(monkeypatch):
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    insert(ONE, fixes_at(DAY, 10, 20))
    opened, done = Event(), Event()

    def read_on():
        with transaction.atomic(history_db()):
            found = kept(ONE)
            opened.set()
            assert done.wait(DEADLINE)
            return found, kept(ONE)

    with running(read_on) as results:
        assert opened.wait(DEADLINE)
        result = pack_day(DAY)
        # Nobody waits for the lock that was not granted.
        insert(TWO, [fix_at(day_ago(0), 1)])
        insert(ONE, [fix_at(DAY, 15)])
        done.set()
    assert result == (2, False)
    assert results == [(fixes_at(DAY, 10, 20), fixes_at(DAY, 10, 15, 20))]
    assert days_with_partitions() == [DAY, day_ago(0)]
    assert pack_day(DAY) == (3, True)
    assert kept(ONE) == fixes_at(DAY, 10, 15, 20)
    assert days_with_partitions() == [day_ago(0)]


@on_postgresql
def test_a_day_that_others_insert_into_all_the_time_is_left_to_the_next_call(monkeypatch):
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    insert(ONE, fixes_at(DAY, 10))
    with transaction.atomic(history_db()):
        insert(ONE, fixes_at(DAY, 15))
        with running(pack_day, DAY) as results:
            pass
    assert results == [(0, False)]
    assert pack_day(DAY) == (2, True)


@on_postgresql
def test_packing_waits_for_a_transaction_that_inserts(monkeypatch):
    insert(ONE, fixes_at(DAY, 10, 20))
    opened, tried = Event(), Event()
    sleep = partitions.time.sleep
    monkeypatch.setattr(partitions.time, "sleep", lambda seconds: tried.set() or sleep(seconds))

    def insert_slowly():
        with transaction.atomic(history_db()):
            insert(ONE, fixes_at(DAY, 15))
            opened.set()
            assert tried.wait(DEADLINE)

    with running(insert_slowly):
        assert opened.wait(DEADLINE)
        assert pack_day(DAY).is_done
    assert kept(ONE) == fixes_at(DAY, 10, 15, 20)
    assert hot() == 0


def made_up(time, delay, latitude, longitude, accuracy, speed, **rest):
    """Return a fix of whole numbers: microseconds of the day, 1e-7 degrees, tenths."""
    return TrackFix(
        start_of(DAY) + timedelta(microseconds=time),
        start_of(DAY) + timedelta(microseconds=time + delay),
        latitude / 1e7,
        longitude / 1e7,
        accuracy=None if accuracy is None else accuracy / 10,
        speed=None if speed is None else speed / 10,
        **rest,
    )


times = st.integers(0, 86_399_999_999)
tracks = st.lists(
    st.builds(
        made_up,
        time=times | times.map(lambda time: time - time % 1000),
        delay=st.just(0) | st.integers(0, 10**12),
        latitude=st.integers(-900_000_000, 900_000_000),
        longitude=st.integers(-1_800_000_000, 1_800_000_000),
        accuracy=st.none() | st.integers(1, 10_000_000),
        heading=st.none() | st.integers(0, 359).map(float),
        speed=st.none() | st.integers(0, 100_000),
        battery=st.none() | st.integers(0, 100),
        charging=st.none() | st.booleans(),
        mock=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda fix: fix.recorded_at,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fixes=tracks, data=st.data())
def test_packing_fixes_in_any_order_of_arrival_keeps_what_was_stored(fixes, data):
    HistorySegment.objects.using(history_db()).all()._raw_delete(history_db())
    drop_partitions()
    arrived = data.draw(st.permutations(fixes))
    cut = data.draw(st.integers(0, len(fixes)))
    for part in (arrived[:cut], arrived[cut:]):
        insert(ONE, part)
        pack_day(DAY)
    assert kept(ONE) == sorted(fixes, key=lambda fix: fix.recorded_at)
    assert hot() == 0
