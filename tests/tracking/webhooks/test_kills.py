"""Deliverers that are processes of their own on PostgreSQL, and are killed."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from tests import services
from tests.services.process import free_port
from tracking.ids import time_ordered_id

from .receivers import hangs, receiving, says

DEADLINE = 40.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# A deliverer with short claims, which stops at a place if it is told one.
PROGRAM = """
import datetime, os, sys, time
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from tracking.events import dispatch
from tracking.webhooks import deliverer, mails, queue

queue.LEASE = datetime.timedelta(seconds=1)
deliverer.DRAIN_TIMEOUT = 1.0
# Django before 6 wants names too, and from 6 on warns about them.
admin = "admin@example.com"
settings.ADMINS = [admin] if django.VERSION >= (6,) else [("Admin", admin)]
settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
settings.EMAIL_FILE_PATH = os.environ.get("MAILS")

def hang(*_):
    print("here", flush=True)
    time.sleep(600)

claim = queue.claim

def first_claim(*args):
    print("ready", flush=True)
    queue.claim = claim
    return claim(*args)

queue.claim = first_claim

match sys.argv[1]:
    case "before the dispatch commits":
        make = dispatch._make_deliveries
        dispatch._make_deliveries = lambda *args: (make(*args), hang())
    case "before the result is written":
        queue.finish = hang
    case "after the claim":
        queue.claim = lambda *args: claim(*args) and hang()
    case "before the mail":
        mails.send_mail = lambda: None
call_command("tracking_deliver", "--until-eof")
"""


@pytest.fixture(scope="module")
def environment(postgresql):
    config = connections.settings["postgresql"]
    password = f":{config['PASSWORD']}" if config["PASSWORD"] else ""
    place = f"{config['HOST']}:{config['PORT']}/{config['NAME']}"
    url = f"postgres://{config['USER']}{password}@{place}"
    return services.environment(url, TRACKING_WEBHOOK_ALLOW_PRIVATE="true")


@pytest.fixture
def database(environment):
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection
        connection.execute("TRUNCATE tracking_event, tracking_webhookendpoint CASCADE")


@asynccontextmanager
async def running(environment, *arguments, **pipes):
    """Run Python with these arguments in the project; kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, cwd=settings.BASE_DIR, **pipes
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()


def deliverer(environment, place=""):
    """Run a deliverer, which hangs at `place`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return running(environment, "-c", PROGRAM, place, **pipes)


async def until(process, word):
    """Wait until a deliverer prints this line."""
    async with asyncio.timeout(DEADLINE):
        while (line := await process.stdout.readline()) != f"{word}\n".encode():
            assert line


def subscribe(database, url):
    database.execute(
        "INSERT INTO tracking_webhookendpoint (url, description, events, secret, former_secret,"
        " created_at, disabled_reason)"
        """ VALUES (%s, '', '["zone.entered"]', %s, '', now(), '')""",
        (url, SECRET),
    )


def happen(database, url, count=1):
    subscribe(database, url)
    ids = [time_ordered_id() for _ in range(count)]
    with database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tracking_event (id, type, occurred_at, data)"
            " VALUES (%s, 'zone.entered', now(), '{}')",
            [(each,) for each in ids],
        )
    return [str(each) for each in ids]


async def delivered(database, count):
    """Wait until so many deliveries are done; return the number of all."""
    query = "SELECT count(*) FILTER (WHERE status = 'delivered'), count(*) FROM"
    async with asyncio.timeout(DEADLINE):
        while True:
            done, total = database.execute(f"{query} tracking_webhookdelivery").fetchone()
            if done >= count:
                return total
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("place", "times"),
    [
        ("before the dispatch commits", 1),
        ("after the claim", 1),
        ("before the result is written", 2),
    ],
)
async def test_killed_deliverer_loses_nothing(environment, database, place, times):
    async with receiving(says(200)) as receiver:
        ids = happen(database, receiver.url, count=3)
        async with deliverer(environment, place) as process:
            await until(process, "here")
        async with deliverer(environment):
            assert await delivered(database, 3) == 3
    arrived = [request.headers["webhook-id"] for request in receiver.requests]
    assert sorted(arrived) == sorted(ids * times)
    bodies = {(each.headers["webhook-id"], each.body) for each in receiver.requests}
    assert len(bodies) == 3


async def test_two_deliverers_share_the_work_and_one_that_stops_leaves_it_to_the_other(
    environment, database
):
    async with (
        receiving(says(200)) as receiver,
        deliverer(environment) as one,
        deliverer(environment) as two,
    ):
        await until(one, "ready")
        await until(two, "ready")
        ids = happen(database, receiver.url, count=400)
        await delivered(database, 100)
        one.terminate()
        async with asyncio.timeout(DEADLINE):
            assert await one.wait() == 0
        assert await delivered(database, 400) == 400
        two.stdin.close()
        async with asyncio.timeout(DEADLINE):
            assert await two.wait() == 0
    arrived = [request.headers["webhook-id"] for request in receiver.requests]
    assert sorted(arrived) == sorted(ids)


async def test_mail_about_a_disabled_endpoint_is_sent_once_by_the_next_deliverer(
    environment, database, tmp_path
):
    environment |= {"MAILS": str(tmp_path)}
    async with receiving(says(410)) as receiver:
        happen(database, receiver.url)
        async with deliverer(environment, "before the mail"):
            await disabled(database, "mail_due_at IS NOT NULL")
        assert list(tmp_path.iterdir()) == []
        async with deliverer(environment):
            # So it is not sent again.
            await disabled(database, "mail_due_at IS NULL")
    (file,) = tmp_path.iterdir()
    assert file.read_text().count("Subject: [Django] Webhook endpoint") == 1
    assert "it answered 410 Gone" in file.read_text()


async def disabled(database, condition):
    """Wait until there is a disabled endpoint that meets a condition."""
    query = f"SELECT 1 FROM tracking_webhookendpoint WHERE disabled_at IS NOT NULL AND {condition}"
    async with asyncio.timeout(DEADLINE):
        while database.execute(query).fetchone() is None:  # noqa: ASYNC110 - a table has no event
            await asyncio.sleep(0.05)


async def test_stopped_deliverer_waits_for_an_answer_and_gives_back_what_hangs(
    environment, database
):
    release = asyncio.Event()

    async def answer(request, writer):
        await release.wait()
        await says(200)(request, writer)

    async with (
        receiving(answer) as slow,
        receiving(hangs) as hanging,
        deliverer(environment) as process,
    ):
        subscribe(database, hanging.url)
        happen(database, slow.url)
        async with asyncio.timeout(DEADLINE):
            await slow.arrived.wait()
            await hanging.arrived.wait()
        process.terminate()
        asyncio.get_running_loop().call_later(0.2, release.set)
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0
    kept = database.execute(
        "SELECT status, attempts, claimed_until FROM tracking_webhookdelivery ORDER BY endpoint_id"
    )
    assert kept.fetchall() == [("pending", 0, None), ("delivered", 1, None)]


async def test_deliverer_without_its_database_says_so_and_ends_when_it_is_told(environment):
    async with asyncio.timeout(DEADLINE), command(unreachable(environment)) as process:
        while b"Webhooks wait for the database" not in await process.stderr.readline():
            assert process.returncode is None
        process.terminate()
        _, rest = await process.communicate()
    assert (process.returncode, b"Traceback" in rest) == (0, False)


@pytest.mark.parametrize("argument", ["--once", "--check"])
async def test_one_run_without_its_database_fails_with_one_message(environment, argument):
    async with (
        asyncio.timeout(DEADLINE),
        command(unreachable(environment), argument) as process,
    ):
        _, text = await process.communicate()
    assert process.returncode == 1
    assert text.startswith(b"CommandError: The database is unavailable: OperationalError")
    assert b"Traceback" not in text


def unreachable(environment):
    """Return the environment with a database on a port at which nothing listens."""
    url = f"postgres://somebody@127.0.0.1:{free_port()}/none"
    return environment | {"DATABASE_URL": url}


def command(environment, *arguments):
    """Run the command as it is."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return running(environment, "manage.py", "tracking_deliver", *arguments, **pipes)


async def test_deliverer_survives_the_end_of_its_connections(environment, database):
    async with receiving(says(200)) as receiver, deliverer(environment):
        happen(database, receiver.url)
        await delivered(database, 1)
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        database.execute("TRUNCATE tracking_webhookendpoint CASCADE")
        happen(database, receiver.url)
        await delivered(database, 1)
    assert len(receiver.requests) == 2
