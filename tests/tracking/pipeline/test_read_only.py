"""A PostgreSQL that answers but refuses writes, such as a demoted primary."""

from contextlib import suppress

import pytest
from django.db import InternalError, OperationalError, connections

from tracking.engine.database import DatabaseThread, drop_read_only_connections, is_unavailable
from tracking.pipeline.rows import upsert
from tracking.runtime import health

from ..fakes import fix_of
from ..rows import drivers, stored

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]

READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


@pytest.fixture
async def thread():
    thread = DatabaseThread("test-read-only")
    yield thread
    thread.close()


def execute(sql):
    with connections["postgresql"].cursor() as cursor:
        cursor.execute(sql)
        with suppress(Exception):  # a statement without rows
            return cursor.fetchone()[0]


async def test_a_connection_that_takes_no_writes_is_replaced(database, thread):
    (driver,) = await thread.run(drivers, 1)
    before = await thread.run(execute, "SELECT pg_backend_pid()")
    await thread.run(execute, READ_ONLY)
    assert await thread.run(upsert, [fix_of(driver)]) == set()
    assert await thread.run(stored, driver) == fix_of(driver)
    assert await thread.run(execute, "SELECT pg_backend_pid()") != before


async def test_a_server_that_takes_no_writes_is_unavailable_and_no_fault_of_a_fix(database, thread):
    ids = await thread.run(drivers, 3)
    name = await thread.run(execute, "SELECT current_database()")
    await thread.run(execute, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        await thread.run(connections.close_all)
        with pytest.raises(InternalError) as raised:
            await thread.run(upsert, [fix_of(driver_id) for driver_id in ids])
        assert is_unavailable(raised.value)
        with pytest.raises(OperationalError, match="accepts no writes"):
            await thread.run(health._query)
    finally:
        await thread.run(execute, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        await thread.run(execute, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    await thread.run(connections.close_all)
    await thread.run(health._query)
    assert await thread.run(upsert, [fix_of(driver_id) for driver_id in ids]) == set()


def test_a_pools_connection_that_takes_no_writes_is_not_handed_out_again(database, monkeypatch):
    connections["postgresql"].close()
    options = {"pool": {"min_size": 1, "max_size": 1, "timeout": 5}}
    config = {**connections.settings["postgresql"], "OPTIONS": options}
    monkeypatch.setitem(connections.settings, "postgresql", config)
    monkeypatch.setattr(connections["postgresql"], "settings_dict", config)
    connection = connections["postgresql"]
    try:
        (driver,) = drivers(1)
        execute(READ_ONLY)
        pid = execute("SELECT pg_backend_pid()")
        connection.close()
        assert execute("SELECT pg_backend_pid()") == pid
        with pytest.raises(InternalError) as raised:
            upsert([fix_of(driver)])
        drop_read_only_connections(OperationalError("another error"))
        assert execute("SELECT pg_backend_pid()") == pid
        drop_read_only_connections(raised.value)
        assert upsert([fix_of(driver)]) == set()
        assert execute("SELECT pg_backend_pid()") != pid
    finally:
        connection.close()
        connection.close_pool()
