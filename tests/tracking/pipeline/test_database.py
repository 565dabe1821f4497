"""The thread with its own database connection, and storage through it."""

import threading
from contextlib import suppress

import pytest
from django.db import OperationalError, connections

from tracking.pipeline.database import DatabaseThread
from tracking.pipeline.storage import Storage, upsert

from ..fakes import Log, NoAudience, Sender, fix_of
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
    storage.store(fix_of(driver), sender)
    await sender.settled.reach(1)
    assert await thread.run(stored, driver) == fix_of(driver)
    await storage.close()


async def test_a_driver_deleted_meanwhile_is_rejected_and_its_neighbour_acknowledged(
    driver, thread
):
    storage = Storage(thread, NoAudience())
    log = Log()
    storage.store(fix_of(FAR_AWAY), Sender(log))
    storage.store(fix_of(driver), Sender(log))
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
        raise OperationalError("away")

    with pytest.raises(OperationalError, match="away"):
        await thread.run(fail)
    assert len(tries) == 2
    assert tries[0].startswith("test-database")


async def test_an_error_of_the_work_itself_is_raised_at_once(thread):
    tries = []

    def fail():
        tries.append(1)
        raise LookupError("a bug")

    with pytest.raises(LookupError):
        await thread.run(fail)
    assert tries == [1]
