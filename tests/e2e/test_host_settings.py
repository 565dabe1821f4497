"""REST under the settings of hosts: transactions around requests, persistent connections, with and
without a pool, on every kind of server.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import services
from tests.services.server import Server

from .http import call, exchange
from .stack import person

ATOMIC = {"ATOMIC_REQUESTS": True}
NO_POOL = ["pool"]
# Two connections for a dozen requests at once.
SMALL_POOL = {"pool": {"min_size": 1, "max_size": 2, "timeout": 5}}

DRIVERS = range(1, 21)
STAFF, NEWCOMER = 50, 51
HERE = {"lat": "-1.4354", "lon": 0.9871}


Uvicorn = partial(services.PlainUvicorn, application="ridehail.asgi:application")


class Daphne(Server):
    def command(self):
        daphne = Path(sys.executable).with_name("daphne")
        return [daphne, "-b", "127.0.0.1", "-p", str(self.port), "ridehail.asgi:application"]


class Wsgi(Server):
    def command(self):
        return [sys.executable, "-m", "tests.e2e.wsgi", str(self.port)]


class Host(NamedTuple):
    server: Callable[..., Server] = services.Uvicorn
    database: dict = {}
    without: list = []
    options: dict = {}
    middleware: str = ""


PERSISTENT = {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
IN_TRANSACTION = "tests.e2e.host_database.in_transaction"
HOSTS = {
    "serve, atomic, pool": Host(database=ATOMIC),
    "serve, atomic, a small pool": Host(database=ATOMIC, options=SMALL_POOL),
    "serve, atomic, connections kept": Host(database=ATOMIC | PERSISTENT, without=NO_POOL),
    "serve, atomic, a connection for each request": Host(database=ATOMIC, without=NO_POOL),
    "serve, a small pool": Host(options=SMALL_POOL),
    "serve, connections kept for ever": Host(database={"CONN_MAX_AGE": None}, without=NO_POOL),
    "serve, a middleware's transaction": Host(middleware=IN_TRANSACTION),
    "uvicorn, atomic, pool": Host(Uvicorn, ATOMIC),
    "daphne, atomic, connections kept": Host(Daphne, ATOMIC | PERSISTENT, NO_POOL),
    "daphne, pool": Host(Daphne),
    "wsgi, atomic, pool": Host(Wsgi, ATOMIC),
    "wsgi, atomic, connections kept": Host(Wsgi, ATOMIC | PERSISTENT, NO_POOL),
    "wsgi, a connection for each request": Host(Wsgi, without=NO_POOL),
}


@pytest.fixture(scope="module")
def people(postgres_service):
    """Return the tokens of a database's users, the token of a device, and the environment."""
    environment = services.environment(
        postgres_service.new_database(), DJANGO_SETTINGS_MODULE="tests.e2e.host_database"
    )
    return environment, *create(environment)


def create(environment):
    services.migrate(environment)
    staff = person(STAFF, "rider", is_staff=True, is_superuser=True)
    tokens = services.create_users(environment, [*map(person, DRIVERS), person(NEWCOMER), staff])
    code = (
        "from django.contrib.auth import get_user_model\n"
        "from tracking.models.device import Device\n"
        "driver = get_user_model().objects.get(pk=1)\n"
        "print(Device.objects.issue(driver, 'phone').token)"
    )
    device = services.manage(environment, "shell", "--no-imports", "-c", code).split()[-1]
    return tokens, device


def variables(host):
    return {
        "HOST_DATABASE": json.dumps(host.database),
        "HOST_WITHOUT_OPTIONS": json.dumps(host.without),
        "HOST_OPTIONS": json.dumps(host.options),
        "HOST_MIDDLEWARE": host.middleware,
    }


async def assert_rest_answers(server, tokens, device):
    """Assert that each kind of request is answered as in this project."""

    async def rest(method, path, user_id, body=None):
        token = None if user_id is None else tokens[user_id]
        return await call(server.port, method, path, token, body)

    statuses = {}

    async def ask(name, *request):
        statuses[name] = (await rest(*request)).status

    # Afterwards there is a location, even if there was none.
    await rest("PUT", "/driver/1/location/", 1, HERE)
    await ask("report", "PUT", "/driver/1/location/", 1, HERE)
    fixes = [{"lat": 1, "lon": 2, "recorded_at": "2026-01-31T12:00:00Z"}]
    await ask("batch", "POST", "/driver/1/locations/", 1, {"fixes": fixes})
    await ask("bad report", "PUT", "/driver/1/location/", 1, {"lat": 91, "lon": 0})
    await ask("another's report", "PUT", "/driver/2/location/", 1, HERE)
    await ask("report without a token", "PUT", "/driver/1/location/", None, HERE)
    await ask("look", "GET", "/driver/1/location/", STAFF)
    await ask("look at nowhere", "GET", f"/driver/{NEWCOMER}/location/", STAFF)
    await ask("look at nobody", "GET", "/driver/999/location/", STAFF)
    await ask("fleet", "GET", "/driver/locations/", STAFF)
    await ask("fleet for nobody", "GET", "/driver/locations/", 1)
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    grant = {"driver": 1, "watcher": NEWCOMER, "ends_at": ends_at}
    opened = await rest("POST", "/driver/grants/", STAFF, grant)
    statuses["grant"] = opened.status
    await ask("end of the grant", "POST", f"/driver/grants/{opened.json()['id']}/end/", STAFF)
    trip = {"riders": [NEWCOMER], "driver": 2}
    created = await rest("POST", "/trips/", STAFF, trip)
    statuses["trip"] = created.status
    await ask("another trip of its driver", "POST", "/trips/", STAFF, trip)
    await ask("state on a trip", "PUT", "/driver/2/state/", 2, {"state": "available"})
    await ask("end of the trip", "POST", f"/trips/{created.json()['id']}/complete/", 2)
    await ask("state after it", "PUT", "/driver/2/state/", 2, {"state": "available"})
    statuses["phone"] = (await exchange(server.port, owntracks(device))).status
    assert {name: HTTPStatus(status) for name, status in statuses.items()} == {
        "report": 204,
        "batch": 204,
        "bad report": 400,
        "another's report": 403,
        "report without a token": 401,
        "look": 200,
        "look at nowhere": 404,
        "look at nobody": 403,
        "fleet": 200,
        "fleet for nobody": 403,
        "grant": 201,
        "end of the grant": 200,
        "trip": 201,
        "another trip of its driver": 409,
        "state on a trip": 409,
        "end of the trip": 200,
        "state after it": 200,
        "phone": 200,
    }
    seen = await rest("GET", "/driver/1/location/", STAFF)
    assert seen.json()["location_lat"] == "-1.4354"


def owntracks(device):
    body = b'{"_type":"location","lat":-1.4354,"lon":0.9871,"tst":1769860800}'
    credentials = base64.b64encode(f"mary:{device}".encode()).decode()
    lines = [
        "POST /driver/report/owntracks/ HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Authorization: Basic {credentials}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def assert_simultaneous_reports_do_not_wait_for_each_other(server, tokens):
    """Send more reports at once than a pool has connections: none waits for another's."""
    answers = await asyncio.gather(
        *[
            call(server.port, "PUT", f"/driver/{driver_id}/location/", tokens[driver_id], HERE)
            for driver_id in DRIVERS
        ]
    )
    assert {answer.status for answer in answers} <= {201, 204}


# The others are variations of these, left to `make long`.
USUAL = {
    "serve, atomic, pool",
    "serve, atomic, connections kept",
    "serve, a middleware's transaction",
    "uvicorn, atomic, pool",
    "daphne, atomic, connections kept",
    "wsgi, atomic, pool",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in USUAL else pytest.mark.long) for name in HOSTS],
)
async def test_rest_answers_the_same_under_a_hosts_settings(people, name):
    environment, tokens, device = people
    host = HOSTS[name]
    variables_ = environment | {"DEBUG": "false"} | variables(host)
    with host.server(environment=variables_, name=name) as server:
        await assert_rest_answers(server, tokens, device)
        if not host.middleware:
            await assert_simultaneous_reports_do_not_wait_for_each_other(server, tokens)
    assert "unavailable" not in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("server_kind", [services.Runserver, Wsgi])
@pytest.mark.long
async def test_rest_answers_the_same_with_sqlite_and_transactions_around_requests(server_kind):
    with services.sqlite() as url:
        environment = services.environment(url, DJANGO_SETTINGS_MODULE="tests.e2e.host_database")
        tokens, device = create(environment)
        environment |= variables(Host(database=ATOMIC))
        with server_kind(environment=environment, name="server") as server:
            await assert_rest_answers(server, tokens, device)
            await assert_simultaneous_reports_do_not_wait_for_each_other(server, tokens)
        assert "unavailable" not in server.log()
        assert "Traceback" not in server.log()


async def test_driver_page_is_shown_within_a_hosts_transactions(people):
    """Check a page that, like a REST view, waits for the publish policy."""
    environment, _, _ = people
    code = (
        "from django.contrib.auth import get_user_model\n"
        "from django.test import Client\n"
        "client = Client(headers={'host': 'localhost'})\n"
        "client.force_login(get_user_model().objects.get(pk=1))\n"
        "print(client.get('/driver/share/').status_code)"
    )
    environment = environment | variables(Host(database=ATOMIC))
    shown = await asyncio.to_thread(
        services.manage, environment, "shell", "--no-imports", "-c", code
    )
    assert shown.split()[-1] == "200"


async def test_failed_log_ins_are_counted_within_a_hosts_transactions(people):
    """Check that the rollback of the refused request does not undo the count."""
    environment, _, _ = people
    email, password = "locked@example.org", "correct horse battery staple"
    user = {"id": 60, "email": email, "password": password}
    await asyncio.to_thread(services.create_users, environment, [user])
    environment = environment | {"DEBUG": "false"} | variables(Host(database=ATOMIC))
    with services.Uvicorn(environment, "atomic") as server:

        async def log_in(password):
            body = {"email": email, "password": password}
            return (await call(server.port, "POST", "/accounts/token/", body=body)).status

        assert await log_in(password) == 200
        failures = [await log_in("wrong") for _ in range(5)]
        assert set(failures) <= {401, 429}
        assert await log_in(password) == 429


async def test_failed_log_ins_on_the_page_are_counted_within_a_hosts_transactions(people):
    environment, _, _ = people
    code = (
        "from axes.models import AccessAttempt\n"
        "from django.test import Client\n"
        "client = Client(headers={'host': 'localhost'})\n"
        "wrong = {'username': 'nobody@example.org', 'password': 'wrong'}\n"
        "statuses = [client.post('/accounts/login/', wrong).status_code for _ in range(6)]\n"
        "attempt = AccessAttempt.objects.get(username=wrong['username'])\n"
        "print(statuses[-1], attempt.failures_since_start)"
    )
    environment = environment | variables(Host(database=ATOMIC))
    shown = await asyncio.to_thread(
        services.manage, environment, "shell", "--no-imports", "-c", code
    )
    assert shown.split()[-2:] == ["429", "5"]
