"""The partitions of the history: created, found and dropped without stopping others."""

from threading import Event

import pytest
from django.db import IntegrityError, ProgrammingError, connections, transaction

from tracking.history import late, partitions
from tracking.history.partitions import (
    create_days,
    days_of,
    drivers_of,
    drop_day,
    existing_days,
    extra_connection,
    history_db,
    is_partition_missing,
    late_name,
    rewriting,
    start_of,
)
from tracking.models import DriverLocation, HistoryFix, HistorySegment

from ..fakes import DEADLINE
from .rows import day_ago, fix_at, fixes_at, hot, insert, kept, running

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.usefixtures("no_partitions"),
]

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

DAY, NEXT = day_ago(10), day_ago(9)
ONE, TWO = 900_019, 900_020


def tables():
    with connections[history_db()].cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'tracking_history%_2%'")
        return {name for (name,) in cursor.fetchall()}


def functions():
    with connections[history_db()].cursor() as cursor:
        cursor.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'tracking_history%'")
        return {name for (name,) in cursor.fetchall()}


@on_postgresql
def test_partitions_are_created_once():
    assert create_days(HistoryFix, [NEXT, DAY]) == [DAY, NEXT]
    assert create_days(HistoryFix, [DAY]) == []
    assert existing_days(HistoryFix) == [DAY, NEXT]
    assert existing_days(HistorySegment) == []


@on_postgresql
def test_a_partition_that_two_processes_create_is_created_once(monkeypatch):
    found, calls = partitions.existing_days, []

    def create_meanwhile(model):
        days = found(model)
        if not calls:
            calls.append(model)
            with running(create_days, HistoryFix, [DAY]) as results:
                pass
            assert results == [[DAY]]
        return days

    monkeypatch.setattr(partitions, "existing_days", create_meanwhile)
    assert create_days(HistoryFix, [DAY]) == []


@on_postgresql
def test_a_partition_is_created_while_readers_and_writers_are_at_work():
    create_days(HistoryFix, [DAY])
    with transaction.atomic(history_db()):
        kept(ONE)
        HistoryFix.objects.create(
            driver_id=ONE,
            recorded_at=start_of(DAY),
            received_at=start_of(DAY),
            latitude_e7=1,
            longitude_e7=2,
            mock=False,
        )
        with running(create_days, HistoryFix, [NEXT]) as results:
            pass
    assert results == [[NEXT]]


@on_postgresql
def test_a_missing_partition_is_told_from_other_errors():
    with pytest.raises(IntegrityError) as caught:
        HistorySegment.objects.create(
            driver_id=ONE, hour=start_of(DAY), first_at=start_of(DAY), count=1, data=b""
        )
    assert is_partition_missing(caught.value)
    assert not is_partition_missing(IntegrityError("no partition of relation"))
    # A CHECK has the same SQLSTATE.
    with pytest.raises(IntegrityError) as caught:
        DriverLocation.objects.using(history_db()).create(
            driver_id=ONE,
            latitude=91,
            longitude=0,
            recorded_at=start_of(DAY),
            received_at=start_of(DAY),
        )
    assert not is_partition_missing(caught.value)


def test_the_days_and_drivers_with_rows_are_found():
    insert(TWO, [fix_at(DAY, 86399.999999)])
    insert(ONE, fixes_at(NEXT, 0, 5))
    insert(TWO, fixes_at(NEXT, 0))
    assert days_of(HistoryFix) == [DAY, NEXT]
    assert days_of(HistorySegment) == []
    assert drivers_of(HistoryFix, DAY) == [TWO]
    assert drivers_of(HistoryFix, NEXT) == [ONE, TWO]


@on_postgresql
def test_a_dropped_day_leaves_nothing_behind():
    insert(ONE, fixes_at(DAY, 5))
    assert late.start_noting(DAY)
    assert late.start_noting(DAY)
    assert functions() == {late_name(HistoryFix, DAY)}
    assert drop_day(HistoryFix, DAY)
    assert drop_day(HistoryFix, DAY)
    assert existing_days(HistoryFix) == []
    assert (tables(), functions()) == (set(), set())


@on_postgresql
def test_a_day_that_is_not_droppable_is_prepared_and_tried_again(monkeypatch):
    insert(ONE, fixes_at(DAY, 5))
    calls = []
    answers = iter([False, False, True])

    def is_droppable():
        calls.append("asked")
        return next(answers)

    assert drop_day(
        HistoryFix, DAY, prepare=lambda: calls.append("prepared"), is_droppable=is_droppable
    )
    assert calls == ["prepared", "asked"] * 3
    assert hot() == 0


@on_postgresql
def test_a_writer_waits_at_most_for_one_attempt_while_a_reader_blocks_a_drop(monkeypatch):
    monkeypatch.setattr(partitions, "ATTEMPTS", 3)
    insert(ONE, fixes_at(DAY, 5))
    create_days(HistoryFix, [NEXT])
    opened, done = Event(), Event()

    def read_slowly():
        with transaction.atomic(history_db()):
            kept(ONE)
            opened.set()
            assert done.wait(DEADLINE)

    def write():
        # Longer than an attempt waits for its lock.
        with transaction.atomic(history_db()), connections[history_db()].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {5 * partitions.LOCK_TIMEOUT}")
            insert(ONE, fixes_at(NEXT, 5))

    attempts = []
    with running(read_slowly):
        assert opened.wait(DEADLINE)
        with running(write) as first:
            # One that waits behind the lock of each attempt.
            assert not drop_day(HistoryFix, DAY, prepare=lambda: attempts.append(1))
        with running(write) as second:
            pass
        done.set()
    assert (first, second) == ([None], [None])
    assert len(attempts) == 3
    assert drop_day(HistoryFix, DAY)


@on_postgresql
def test_other_errors_of_a_change_are_raised():
    insert(ONE, fixes_at(DAY, 5))
    with pytest.raises(ProgrammingError):
        partitions.change_partition(
            HistoryFix, DAY, lambda execute: execute("SELECT 1 FROM no_such_table")
        )


@on_postgresql
def test_fixes_are_noted_until_they_are_taken():
    insert(ONE, fixes_at(DAY, 1))
    late.start_noting(DAY)
    assert not late.has_noted(DAY)
    insert(ONE, fixes_at(DAY, 1, 2, 3))  # the first one is there already
    insert(TWO, fixes_at(NEXT, 1))
    late.start_noting(DAY)
    assert late.has_noted(DAY)
    taken = [*late.take_noted(DAY, 1), *late.take_noted(DAY, 5)]
    assert sorted(taken) == [(ONE, fix.recorded_at) for fix in fixes_at(DAY, 2, 3)]
    assert not late.has_noted(DAY)


@on_postgresql
def test_those_who_rewrite_wait_for_each_other():
    order, entered = [], Event()

    def rewrite():
        entered.set()
        with rewriting():
            order.append("second")

    with running(rewrite), rewriting():
        assert entered.wait(DEADLINE)
        order.append("first")
    assert sorted(order) == ["first", "second"]


@on_postgresql
def test_an_extra_connection_uses_no_pool(settings):
    alias = history_db()
    connection = connections[alias]
    options = connection.settings_dict["OPTIONS"]
    connection.settings_dict["OPTIONS"] = {**options, "pool": True}
    try:
        with extra_connection() as extra, extra.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            assert extra.pool is None
    finally:
        connection.settings_dict["OPTIONS"] = options
    assert extra.connection is None


@pytest.mark.parametrize("database", ["default"], indirect=True)
def test_sqlite_has_no_partitions():
    assert create_days(HistoryFix, [DAY]) == []
    assert existing_days(HistoryFix) == []
    insert(ONE, [fix_at(DAY, 5)])
    assert drop_day(HistoryFix, DAY)
    assert hot() == 1
