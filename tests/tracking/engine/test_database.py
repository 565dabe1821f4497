"""The thread that has a database connection of its own, and storage through it."""

import asyncio
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import OperationalError, connections

from tracking.engine import database as database_module
from tracking.engine.database import DatabaseThread
from tracking.pipeline.rows import upsert
from tracking.pipeline.storage import Storage

from ..fakes import Log, NoAudience, Sender, fix_of, within_deadline
from ..rows import FAR_AWAY, drivers, stored

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@pytest.fixture
def driver(database):
    return drivers(1)[0]


@pytest.fixture
async def thread():
    thread = DatabaseThread("test-database")
    yield thread
    thread.close()


async def test_storage_commits_through_a_thread_of_its_own(driver, thread):
    storage = Storage(thread, NoAudience())
    sender = Sender()
    storage.store([fix_of(driver)], sender)
    await sender.settled.reach(1)
    assert await thread.run(stored, driver) == fix_of(driver)
    await storage.close()


async def test_a_driver_deleted_meanwhile_is_rejected_and_its_neighbour_acknowledged(
    driver, thread
):
    storage = Storage(thread, NoAudience())
    log = Log()
    storage.store([fix_of(FAR_AWAY)], Sender(log))
    storage.store([fix_of(driver)], Sender(log))
    await log.reach(2)
    assert [answer for answer, _ in log] == ["rejected", "acknowledged"]
    await storage.close()


def terminate_own_backend():
    with suppress(OperationalError), connections["postgresql"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_connection_that_broke_while_idle_costs_nobody_anything(driver, thread):
    await thread.run(upsert, [fix_of(driver, 1)])
    await thread.run(terminate_own_backend)
    assert await thread.run(upsert, [fix_of(driver, 2)]) == set()
    assert await thread.run(stored, driver) == fix_of(driver, 2)


async def test_work_is_tried_twice_when_the_database_fails_and_then_raises(thread):
    tries = []

    def fail():
        tries.append(threading.current_thread().name)
        raise OperationalError("unavailable")

    with pytest.raises(OperationalError, match="unavailable"):
        await thread.run(fail)
    assert len(tries) == 2
    assert tries[0].startswith("test-database")


@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, KeyboardInterrupt])
async def test_an_exit_raised_by_the_work_is_an_ordinary_error_for_the_caller(thread, kind):
    def fail():
        raise kind

    with pytest.raises(RuntimeError, match=kind.__name__):
        await thread.run(fail)
    assert await thread.run(len, "alive") == 5


async def test_a_thread_that_has_died_is_replaced_and_its_callers_get_an_error(thread, monkeypatch):
    monkeypatch.setattr(database_module, "CHECK_INTERVAL", 0.01)
    assert await thread.run(len, "alive") == 5
    # An executor calls `run` on what it takes from its queue: a plain object ends the thread.
    thread._executor._work_queue.put(object())
    with pytest.raises(BrokenExecutor):
        await within_deadline(thread.run(len, "dead"))
    assert await within_deadline(thread.run(len, "alive")) == 5


async def test_a_thread_that_could_not_begin_is_replaced(thread):
    def fail():
        raise LookupError("an engine that is not installed")

    thread._executor = ThreadPoolExecutor(1, initializer=fail)
    with pytest.raises(BrokenExecutor):
        await within_deadline(thread.run(len, "dead"))
    assert await within_deadline(thread.run(len, "alive")) == 5


async def test_an_executor_that_was_shut_down_is_replaced(thread):
    thread._executor.shutdown()
    with pytest.raises(RuntimeError):
        await thread.run(len, "dead")
    assert await thread.run(len, "alive") == 5


async def test_closing_what_has_ended_by_itself_is_harmless():
    thread = DatabaseThread("test-ended")
    thread._executor.shutdown()
    thread.close()


async def test_an_error_of_the_work_itself_is_raised_at_once(thread):
    tries = []

    def fail():
        tries.append(1)
        raise LookupError("a bug")

    with pytest.raises(LookupError):
        await thread.run(fail)
    assert tries == [1]
