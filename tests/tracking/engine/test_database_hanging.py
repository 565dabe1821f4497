"""A database that does not answer: the caller gets an error, and the thread goes on working."""

import asyncio
import threading

import pytest
from django.db import OperationalError, connections, transaction

from tracking.engine import database as database_module
from tracking.engine.database import DatabaseThread
from tracking.models import DriverLocation

from ..fakes import DEADLINE, within_deadline

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

FOR_LONG = 600


def sleep(seconds):
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s), 'awake'", [seconds])
        return cursor.fetchone()[1]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch, postgresql):
    monkeypatch.setattr(database_module, "ANSWER_TIMEOUT", 0.3)
    monkeypatch.setattr(database_module, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(database_module, "CLOSE_TIMEOUT", 0.1)


@pytest.fixture
def thread():
    return DatabaseThread("test-database")


async def test_a_statement_without_an_answer_ends_with_an_error_and_the_next_has_a_new_connection(
    thread,
):
    with pytest.raises(OperationalError):
        await within_deadline(thread.run(sleep, FOR_LONG))
    assert await within_deadline(thread.run(sleep, 0)) == "awake"
    thread.close()


async def test_an_answer_in_time_disturbs_nobody(thread, monkeypatch):
    """Check that the time of each function counts, and not their sum."""
    now = 0.0

    def take_ten_seconds():
        nonlocal now
        now += 10
        return sleep(0.1)  # long enough for several checks

    monkeypatch.setattr(database_module, "monotonic", lambda: now)
    monkeypatch.setattr(database_module, "ANSWER_TIMEOUT", 15)
    monkeypatch.setattr(database_module, "CHECK_INTERVAL", 0.01)
    for _ in range(5):
        assert await within_deadline(thread.run(take_ten_seconds)) == "awake"
    thread.close()


def lock_waits():
    """Return the number of PostgreSQL processes that wait for a lock."""
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone()[0]


async def test_a_lock_held_for_long_leaves_no_process_of_postgresql_behind(thread):
    def hold():
        with transaction.atomic("postgresql"), connections["postgresql"].cursor() as cursor:
            cursor.execute("LOCK TABLE tracking_driverlocation IN ACCESS EXCLUSIVE MODE")
            held.set()
            released.wait()

    def read():
        return DriverLocation.objects.using("postgresql").count()

    held, released = threading.Event(), threading.Event()
    holder, onlooker = DatabaseThread("test-holder"), DatabaseThread("test-onlooker")
    # Run on the executor itself, so that the thread's own timeout does not end it.
    holding = asyncio.ensure_future(
        asyncio.get_running_loop().run_in_executor(holder._executor, hold)
    )
    await within_deadline(asyncio.to_thread(held.wait))
    try:
        for _ in range(3):
            with pytest.raises(OperationalError):
                await within_deadline(thread.run(read))
        async with asyncio.timeout(DEADLINE):
            while await onlooker.run(lock_waits):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.05)
    finally:
        released.set()
        await within_deadline(holding)
    assert await within_deadline(thread.run(read)) == 0
    for each in (thread, holder, onlooker):
        each.close()


async def test_closing_waits_for_no_answer_that_does_not_come(thread, monkeypatch):
    monkeypatch.setattr(database_module, "ANSWER_TIMEOUT", FOR_LONG)
    assert await within_deadline(thread.run(sleep, 0)) == "awake"
    waiting = thread._executor.submit(thread._call, sleep, FOR_LONG)
    thread.close()
    with pytest.raises(OperationalError):
        waiting.result()


async def test_its_connections_are_its_own_and_of_no_pool(thread, monkeypatch):
    options = {**connections.settings["postgresql"]["OPTIONS"], "pool": {"min_size": 2}}
    monkeypatch.setitem(connections.settings["postgresql"], "OPTIONS", options)

    def pool():
        return connections["postgresql"].pool

    assert await thread.run(pool) is None
    assert await thread.run(sleep, 0) == "awake"
    thread.close()
