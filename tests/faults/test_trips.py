"""The lives of 200 trips at once while Redis and a worker fail: no rider sees a wrong driver."""

import asyncio
from dataclasses import dataclass

import pytest

from tests import services

from .dispatch import Dispatch
from .host import Host
from .load import Load
from .system import System, operate
from .trips import LEAD_TIME, PROMPT

# On a busy machine the lives take longer than planned.
pytestmark = [pytest.mark.alone, pytest.mark.slow_fault, pytest.mark.timeout(240)]

TRIPS = 200
# More than trips: the others take trips over.
DRIVERS = range(1, TRIPS + 41)
RIDERS = range(1_001, 1_001 + TRIPS)
# The duration of all their lives, and of Redis' outage in it.
SECONDS, OUTAGE = 18.0, 4

SETTINGS = {
    "TRACKING_WATCH_POLICY": "tracking.permissions.granted",
    "TRACKING_GRANT_LEAD_TIME": str(LEAD_TIME),
}


@dataclass
class Database:
    """A database of its own on a server."""

    url: str
    port: int


@pytest.fixture
def people(own_postgres):
    """Return an empty database, and the tokens of its drivers and riders."""
    server, _ = own_postgres
    database = Database(server.new_database(), server.port)
    environment = services.environment(database.url)
    services.manage(environment, "migrate", "--no-input")
    users = [
        *({"id": id_, "email": f"{id_}@example.org", "role": "driver"} for id_ in DRIVERS),
        *({"id": id_, "email": f"{id_}@example.org"} for id_ in RIDERS),
    ]
    tokens = services.create_users(environment, users)
    drivers = {id_: tokens[id_] for id_ in DRIVERS}
    return database, drivers, {id_: tokens[id_] for id_ in RIDERS}


async def break_everything(system):
    """Kill Redis for some seconds, and then a worker for good."""
    await asyncio.sleep(SECONDS / 5)
    await operate(system.redis.kill)
    await asyncio.sleep(OUTAGE)
    await operate(system.redis.start)
    await asyncio.sleep(SECONDS / 5)
    await operate(system.workers.pop(0).kill)


async def test_no_rider_sees_a_wrong_driver_while_redis_and_a_worker_fail(people, record):
    database, drivers, riders = people
    async with System(database, **SETTINGS) as system:
        environment = services.environment(database.url, system.redis.url, **SETTINGS)
        load = Load(system.urls, drivers, watchers=0, per_second=1.0)
        async with (
            Host(environment) as host,
            load,
            Dispatch(host, load, system.urls, riders, list(DRIVERS)) as dispatch,
        ):
            await asyncio.gather(dispatch.run(SECONDS), break_everything(system))
            lives = await dispatch.settle(5)
            left_over = await dispatch.left_over()
            await load.settle(5)
    record(f"Redis is killed for {OUTAGE} s, and then a worker for good", lives)
    # Drivers' acknowledgements, and the answers to them.
    assert load.errors == []
    assert left_over == {"unfinished": 0, "busy": 0, "assigned": 0, "granted": 0}
    assert lives.leaks == 0
    assert max(lives.move, lives.end, lives.grant) < PROMPT, lives
    assert lives.cut > 0
