"""Fixtures: databases (SQLite and a real PostgreSQL), a hub, and whole connections."""

import asyncio

import environ
import pytest
from channels import testing
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.db.backends.postgresql.operations import DatabaseOperations

from tests.services import postgres_service
from tracking.engine.receiver import Receiver
from tracking.models import DriverLocation
from tracking.pipeline import hub as hub_module
from tracking.pipeline.hub import Hub
from tracking.runtime import get_runtime
from tracking.runtime import runtime as runtime_module

from .fakes import DEADLINE, HERE, NOON, Layer, Loads, settle, within_deadline
from .sockets import Socket

ALIAS = "postgresql"


class ToPostgreSQL:
    """Routes every model to PostgreSQL."""

    def db_for_read(self, model, **hints):
        return ALIAS

    db_for_write = db_for_read


def sql_flush(operations, style, tables, *, reset_sequences=False, allow_cascade=False):
    """Return the SQL that empties those of the tables that have rows.

    To truncate all 43 tables, with their partitions, takes 0.4 s, after each of some 700 tests. The
    deletions are of one transaction, and foreign keys are checked at its end.
    """
    assert not reset_sequences
    names = [operations.quote_name(table) for table in tables]
    looks = [
        f"SELECT {number} WHERE EXISTS (SELECT FROM {name})" for number, name in enumerate(names)
    ]
    with operations.connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        return [f"DELETE FROM {names[number]}" for (number,) in cursor.fetchall()]


@pytest.fixture(scope="session")
def postgresql(django_db_setup, django_db_blocker):
    """Provide a migrated PostgreSQL database beside the default one, for the whole session."""
    with postgres_service() as server:
        # The project's own settings without a pool, whose threads would outlive a test.
        config = {**connections.settings["default"], **environ.Env.db_url_config(server.url)}
        config["OPTIONS"] = {}
        connections.settings[ALIAS] = config
        with django_db_blocker.unblock():
            call_command("migrate", database=ALIAS, verbosity=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
            yield
        with django_db_blocker.unblock():
            connections[ALIAS].close()
        del connections[ALIAS], connections.settings[ALIAS]


@pytest.fixture(params=["default", ALIAS])
def database(request, postgresql, settings):
    """Return the alias of an empty database that every model is routed to; run once for each kind.

    Mark the test `django_db(transaction=True, databases=["default", "postgresql"])`.
    """
    if request.param == ALIAS:
        settings.DATABASE_ROUTERS = [ToPostgreSQL()]
    return request.param


@pytest.fixture(autouse=True)
def _settings(settings):
    """Use four shards, no rate limit and no history, as both have tests of their own."""
    settings.TRACKING = settings.TRACKING | {
        "SHARDS": 4,
        "MAX_FIXES_PER_SECOND": 0,
        "HISTORY": "off",
    }


@pytest.fixture(autouse=True)
def _connections_are_closed(monkeypatch):
    """Close connections after each call in a thread, as in production: Python 3.13 warns otherwise.

    Channels' test clients patch `database_sync_to_async` to keep its connections open, for tests
    inside a transaction. When two clients wait at once, the patches are undone in the wrong order
    and stay for all later tests. Channels before 4.3 has no such patches.
    """
    communicator = testing.ApplicationCommunicator
    if not communicator.__module__.startswith("channels."):
        return  # asgiref's own class: Channels before 4.3
    for method in ("send_input", "receive_output"):
        monkeypatch.delattr(communicator, method)


@pytest.fixture
def layer():
    return Layer()


@pytest.fixture
def stored():
    """Return the contents of the database, as the hub reads them."""
    return Loads()


@pytest.fixture
async def receiver(layer):
    return Receiver(layer)


@pytest.fixture
async def hub(receiver, layer, stored):
    hub = Hub(receiver, HERE, stored)
    yield hub
    stored.gate.set()
    if layer.hold is not None:
        layer.hold.set()
    await within_deadline(hub.close())
    await within_deadline(receiver.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def heal_often(monkeypatch):
    monkeypatch.setattr(hub_module, "HEAL_INTERVAL", 0.01)


@pytest.fixture
def app_layer(layer, monkeypatch):
    """Return the channel layer of the connections."""
    monkeypatch.setattr(runtime_module, "get_channel_layer", lambda: layer)
    return layer


@pytest.fixture
async def connect(app_layer):
    """Return a function that opens sockets. They and what they share are closed at the end."""
    sockets = []

    async def connect(route, query):
        socket = Socket(route, query if isinstance(query, str) else f"?userId={query}")
        sockets.append(socket)
        accepted, _ = await socket.connect(timeout=DEADLINE)
        assert accepted
        return socket

    yield connect
    try:
        for socket in sockets:
            await socket.send_input({"type": "websocket.disconnect", "code": 1000})
            await socket.wait(DEADLINE)
    finally:
        await within_deadline(get_runtime().close())
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def driver(transactional_db):
    return get_user_model().objects.create_user(email="driver@example.com", role="driver").pk


@pytest.fixture
def other_driver(transactional_db):
    return get_user_model().objects.create_user(email="other@example.com", role="driver").pk


@pytest.fixture
def rider(transactional_db):
    return get_user_model().objects.create_user(email="jonh@gmail.com", name="Jonh").pk


@pytest.fixture
def located(driver):
    """Return the id of a driver with a stored location."""
    DriverLocation.objects.create(
        driver_id=driver, latitude=-2.3123, longitude=2.4535, recorded_at=NOON, received_at=NOON
    )
    return driver
