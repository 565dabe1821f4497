"""Fixes in the history's tables, and threads that use them."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import msgspec
from django.db import connections

from tracking.history.fixes import TrackFix
from tracking.history.packing import E7
from tracking.history.partitions import (
    PARTITIONED,
    create_days,
    day_of,
    existing_days,
    history_db,
    is_partitioned,
    late_name,
    partition_name,
    start_of,
)
from tracking.history.reading import read
from tracking.models import HistoryFix, HistorySegment

from ..fakes import DEADLINE


def day_ago(days):
    return (datetime.now(UTC) - timedelta(days=days)).date()


def fix_at(day, seconds, **rest):
    """Return a fix of a day, received 0.25 s later."""
    at = start_of(day) + timedelta(seconds=seconds)
    fix = TrackFix(at, at + timedelta(seconds=0.25), 1.5, 2.5, 8.1, 90.0, 3.4, 77, True)
    return msgspec.structs.replace(fix, **rest)


def fixes_at(day, *seconds):
    return [fix_at(day, second) for second in seconds]


def insert(driver, fixes):
    """Insert fixes as hot rows, each once, and create their partitions."""
    create_days(HistoryFix, {day_of(fix.recorded_at) for fix in fixes})
    HistoryFix.objects.using(history_db()).bulk_create(
        (
            HistoryFix(
                driver_id=driver,
                recorded_at=fix.recorded_at,
                received_at=fix.received_at,
                latitude_e7=round(fix.latitude * E7),
                longitude_e7=round(fix.longitude * E7),
                **{
                    name: getattr(fix, name)
                    for name in ("accuracy", "heading", "speed", "battery", "charging", "mock")
                },
            )
            for fix in fixes
        ),
        ignore_conflicts=True,
    )


def kept(driver):
    """Return all fixes of a driver, as they are read."""
    since = start_of(day_ago(400))
    return [fix for part in read(driver, since, start_of(day_ago(-2))) for fix in part]


def hot(driver=None):
    """Return the number of hot rows."""
    return _count(HistoryFix, driver)


def packed(driver=None):
    """Return the number of segments."""
    return _count(HistorySegment, driver)


def _count(model, driver):
    rows = model.objects.using(history_db())
    return (rows if driver is None else rows.filter(driver_id=driver)).count()


def days_with_partitions(model=HistoryFix):
    """Return the days of which hot rows may be there; on SQLite, those with rows."""
    if is_partitioned():
        return existing_days(model)
    column = PARTITIONED[model]
    return sorted({day_of(at) for at in model.objects.values_list(column, flat=True)})


def drop_partitions():
    """Drop what earlier tests left on PostgreSQL, where a flush leaves tables alone."""
    if not is_partitioned():
        return
    with connections[history_db()].cursor() as cursor:
        for model in PARTITIONED:
            for day in existing_days(model):
                cursor.execute(f"DROP TABLE {partition_name(model, day)}")
                cursor.execute(f"DROP FUNCTION IF EXISTS {late_name(model, day)}")
                cursor.execute(f"DROP TABLE IF EXISTS {late_name(model, day)}")


@contextmanager
def running(function, *args):
    """Run a function in a thread with connections of its own, and wait for its end.

    The list that is given gets its result.
    """
    results = []

    def call():
        try:
            results.append(function(*args))
        except Exception as error:  # it is for the test to judge
            results.append(error)
        finally:
            connections.close_all()

    thread = Thread(target=call)
    thread.start()
    try:
        yield results
    finally:
        thread.join(DEADLINE)
        assert not thread.is_alive()
