"""Round trips of a batch to PostgreSQL, without any setting of the session.

Behind a PgBouncer in transaction mode, clients share sessions.
"""

import asyncio
import threading

import pytest
from django.db import OperationalError, connections, transaction

from tests import services
from tests.faults.proxy import Proxy
from tests.programs import skip_without
from tracking.engine import database as database_module
from tracking.engine.database import DatabaseThread
from tracking.models import DriverLocation
from tracking.pipeline.rows import load_snapshots, upsert

from ..fakes import fix_of as fix
from ..fakes import within_deadline
from ..rows import drivers

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]


def reach(monkeypatch, port, **options):
    """Direct new connections to another port."""
    config = connections.settings["postgresql"]
    monkeypatch.setitem(
        connections.settings, "postgresql", {**config, "PORT": port, "OPTIONS": options}
    )


@pytest.mark.parametrize("options", [{}, {"server_side_binding": True}], ids=["", "binding"])
async def test_a_batch_and_a_look_cost_one_round_trip_each(database, monkeypatch, options):
    messages = []

    def count(data):
        messages.append(data)
        return data

    async with Proxy(int(connections.settings[database]["PORT"])) as proxy:
        reach(monkeypatch, proxy.port, **options)
        thread = DatabaseThread("test-round-trips")
        ids = await thread.run(drivers, 5)
        await thread.run(upsert, [fix(driver_id, 1) for driver_id in ids])
        proxy.alter = count
        await thread.run(upsert, [fix(driver_id, 2) for driver_id in ids])
        assert len(messages) == 1
        assert len(await thread.run(load_snapshots, ids)) == 5
        assert len(messages) == 2
        thread.close()


@pytest.fixture
def bouncer():
    """Yield a PostgreSQL, and a PgBouncer that gives each transaction one of two connections."""
    skip_without(services.find_pgbouncer)
    with (
        services.Postgres(services.find_postgres()) as postgres,
        services.PgBouncer(postgres, pool_size=2) as bouncer,
    ):
        services.manage(services.environment(postgres.url), "migrate", "--no-input")
        yield postgres, bouncer


def look(name):
    with connections["postgresql"].cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


async def test_a_wait_for_a_lock_ends_with_the_statement_behind_a_bouncer(
    database, bouncer, monkeypatch
):
    monkeypatch.setattr(database_module, "ANSWER_TIMEOUT", 0.3)
    monkeypatch.setattr(
        database_module, "CHECK_INTERVAL", 600
    )  # Only PostgreSQL's own timeout ends the wait.
    postgres, bouncer = bouncer
    reach(monkeypatch, bouncer.port)
    name = postgres.url.rpartition("/")[2]
    config = connections.settings["postgresql"]
    monkeypatch.setitem(
        connections.settings,
        "postgresql",
        {**config, "NAME": name, "USER": "postgres", "HOST": "127.0.0.1"},
    )
    held, released = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic("postgresql"), connections["postgresql"].cursor() as cursor:
            cursor.execute("LOCK TABLE tracking_driverlocation IN ACCESS EXCLUSIVE MODE")
            held.set()
            released.wait()
        connections["postgresql"].close()

    thread = DatabaseThread("test-bouncer")
    holding = asyncio.ensure_future(asyncio.to_thread(hold))
    await within_deadline(asyncio.to_thread(held.wait))
    try:
        with pytest.raises(OperationalError, match="lock timeout"):
            await within_deadline(thread.run(DriverLocation.objects.using("postgresql").count))
        # Set for the statement, in a session that other clients share.
        assert await thread.run(look, "lock_timeout") == "300ms"
    finally:
        released.set()
        await within_deadline(holding)
    assert await within_deadline(thread.run(DriverLocation.objects.using("postgresql").count)) == 0
    thread.close()
