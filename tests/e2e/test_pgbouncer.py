"""Behind a PgBouncer in transaction mode, where a session is not the client's own."""

import asyncio
import json
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import services
from tests.programs import skip_without
from tests.services import ServiceError

from .client import Driver, Watcher
from .http import call, readiness
from .stack import DRIVER, RIDER, person

HERE = {"lat": "-1.4354", "lon": 0.9871}
FRAME = '{"location_lat": "-1.4354", "location_lon": "0.9871"}'


@pytest.fixture(scope="module")
def bouncer():
    """Start a PgBouncer with a single connection for all clients, and its PostgreSQL."""
    skip_without(services.find_pgbouncer)
    with (
        services.Postgres(services.find_postgres()) as postgres,
        services.PgBouncer(postgres, pool_size=1) as bouncer,
    ):
        yield postgres, bouncer


@pytest.fixture(scope="module")
def environment(bouncer):
    """Return the environment of docs/operations.md; migrations go through the PgBouncer, too."""
    postgres, bouncer = bouncer
    url = f"{bouncer.url(postgres.url)}?DISABLE_SERVER_SIDE_CURSORS=true"
    environment = services.environment(url)
    services.migrate(environment)
    return environment


@pytest.fixture(scope="module")
def tokens(environment):
    return services.create_users(environment, [person(DRIVER), person(RIDER, "rider")])


@pytest.fixture(scope="module")
def worker(environment):
    with services.Uvicorn(environment, "behind PgBouncer") as worker:
        yield worker


def settings_of_the_session(bouncer):
    """Return settings of the one session, which every later client shares."""
    postgres, bouncer = bouncer
    names = ("lock_timeout", "statement_timeout", "search_path", "default_transaction_read_only")
    with closing(psycopg.connect(bouncer.url(postgres.url), autocommit=True)) as connection:
        return {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]
            for name in names
        }


async def test_locations_are_stored_acknowledged_and_streamed_and_no_setting_stays_behind(
    bouncer, worker, tokens
):
    before = await asyncio.to_thread(settings_of_the_session, bouncer)
    assert before["lock_timeout"] == "0"
    async with (
        Watcher(worker.websocket_url, DRIVER, token=tokens[RIDER]) as watcher,
        Driver(worker.websocket_url, DRIVER, token=tokens[DRIVER]) as driver,
    ):
        await watcher.start()
        for number in range(3):
            await driver.send(*(("-1.4354", "0.9871") if not number else (str(number), "1")))
            await driver.frame(number)
        await watcher.until(lambda frames: frames and frames[-1].count('"2"'))
        path = f"/driver/{DRIVER}/location/"
        assert (await call(worker.port, "PUT", path, tokens[DRIVER], HERE)).status == 204
        look = await call(worker.port, "GET", path, tokens[RIDER])
        assert json.loads(FRAME).items() <= look.json().items()
        ready = await call(worker.port, "GET", "/health/ready/")
        assert (ready.status, ready.json()["status"]) == (200, "ready")
    assert await asyncio.to_thread(settings_of_the_session, bouncer) == before
    assert "Traceback" not in worker.log()


def test_dumpdata_works_without_server_side_cursors(environment, tokens):
    dumped = json.loads(services.manage(environment, "dumpdata", "accounts"))
    assert {row["pk"] for row in dumped} >= set(tokens)


@pytest.mark.long
def test_options_of_the_session_are_refused_as_the_document_says(environment):
    with pytest.raises(ServiceError, match="unsupported startup parameter"):
        services.manage(environment | {"PGOPTIONS": "-c lock_timeout=3s"}, "migrate")


async def test_a_bouncer_whose_postgres_was_replaced_by_a_standby_is_not_ready(bouncer, worker):
    """Check through PgBouncer, which answers for both servers and keeps its connections."""
    postgres, _ = bouncer
    name = urlsplit(postgres.url).path[1:]

    def tell(how):
        # This session writes even if the database is set to read-only.
        writing = f"{postgres.url}?options=-cdefault_transaction_read_only%3Doff"
        with psycopg.connect(writing, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" {how}')
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    await readiness(worker.port, 200)
    await asyncio.to_thread(tell, "SET default_transaction_read_only = on")
    try:
        await readiness(worker.port, 503)
    finally:
        await asyncio.to_thread(tell, "RESET default_transaction_read_only")
    await readiness(worker.port, 200)
