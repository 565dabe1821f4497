"""Events while everything is killed in turn: each is stored once, and none stays undelivered."""

import asyncio
import json

import psycopg
import pytest

from tests import services

from .arrivals import STEPS, Deliveries, Inbox, Traffic, waypoints
from .host import Host
from .system import System, operate
from .test_trips import Database

pytestmark = [pytest.mark.alone, pytest.mark.slow_fault, pytest.mark.timeout(300)]

TRIPS = 40
DRIVERS = range(1, TRIPS + 1)
RIDER = 1_001
# Seconds for the last deliveries: a request that was lost with its process is sent again when its
# claim has expired.
DELIVERED_WITHIN = 90.0

SETTINGS = {"TRACKING_WEBHOOK_ALLOW_PRIVATE": "1"}

SUBSCRIBE = """
from tracking.models import EventType
from tracking.webhooks import endpoints

types = [kind.value for kind in EventType if kind.value.startswith(("waypoint.", "trip.status"))]
_, secret = endpoints.create({url!r}, types)
print(secret)
"""


@pytest.fixture
def people(own_postgres):
    """Return an empty database, and the tokens of its drivers."""
    server, _ = own_postgres
    database = Database(server.new_database(), server.port)
    environment = services.environment(database.url)
    services.manage(environment, "migrate", "--no-input")
    users = [
        *({"id": id_, "email": f"{id_}@example.org", "role": "driver"} for id_ in DRIVERS),
        {"id": RIDER, "email": f"{RIDER}@example.org", "role": "rider"},
    ]
    tokens = services.create_users(environment, users)
    return server, database, {id_: tokens[id_] for id_ in DRIVERS}


async def break_everything(system, postgres, deliverer):
    """Kill each worker, the deliverer twice, PostgreSQL and Redis, and start them again."""
    first, second = system.workers

    async def outage(at, seconds, *parts):
        await asyncio.sleep(at)
        for part in parts:
            await operate(part.kill)
        await asyncio.sleep(seconds)
        for part in parts:
            await operate(part.start)

    await asyncio.gather(
        outage(7.0, 1.0, first),
        outage(9.5, 1.0, deliverer),
        outage(18.0, 2.0, postgres),
        outage(24.0, 2.0, system.redis),
        outage(35.0, 1.0, second),
        outage(36.5, 1.0, deliverer),
    )


def stored_events(url):
    """Return the trip, the sequence, the type, the number of the waypoint and the id of each."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT trip_id, sequence, type, data->>'number', id FROM tracking_event"
            " WHERE trip_id IS NOT NULL ORDER BY trip_id, sequence"
        ).fetchall()
    return [
        (trip, sequence, kind, number and int(number), str(pk))
        for trip, sequence, kind, number, pk in rows
    ]


async def test_no_event_is_lost_or_repeated_while_everything_is_killed(people, record):
    postgres, database, tokens = people
    async with System(database, **SETTINGS) as system, Inbox() as inbox:
        environment = services.environment(database.url, system.redis.url, **SETTINGS)
        subscribe = SUBSCRIBE.format(url=inbox.url)
        output = await operate(
            services.manage, environment, "shell", "--no-imports", "-c", subscribe
        )
        inbox.secret = output.split()[-1]
        deliverer = services.Deliverer(environment)
        await operate(deliverer.start)
        try:
            async with Host(environment) as host:
                trip = {"riders": [RIDER], "waypoints": waypoints()}
                made = [
                    await host.order("create", driver=driver, reference=f"R-{driver}", **trip)
                    for driver in DRIVERS
                ]
            async with Traffic(system.urls, tokens) as traffic:
                await asyncio.gather(traffic.drive(), break_everything(system, postgres, deliverer))
            async with Host(environment) as host:
                for trip in made:
                    await host.order("complete", trip["trip"])
            events = await asyncio.to_thread(stored_events, database.url)
            ids = {event[-1] for event in events}
            await inbox.reach(ids, DELIVERED_WITHIN)
        finally:
            await operate(deliverer.__exit__)
    expected = [
        (trip["trip"], *step)
        for trip in made
        for step in [("trip.status_changed", None), *STEPS, ("trip.status_changed", None)]
    ]
    found = [(trip, kind, number) for trip, _, kind, number, _ in events]
    deliveries = Deliveries(
        trips=TRIPS,
        events=len(events),
        lost=len([each for each in set(expected) if found.count(each) < expected.count(each)]),
        twice=len([each for each in set(found) if found.count(each) > expected.count(each)]),
        undelivered=len(ids - inbox.received.keys()),
        repeated=sum(entry.times > 1 for entry in inbox.received.values()),
    )
    record("Workers, the deliverer, PostgreSQL and Redis are killed in turn", deliveries)
    assert (traffic.errors, inbox.errors) == ([], [])
    assert sorted(found, key=str) == sorted(expected, key=str)
    # In the order of the trip, and numbered without a gap.
    assert [(trip, sequence) for trip, sequence, *_ in events] == [
        (trip["trip"], number) for trip in made for number in range(1, len(STEPS) + 3)
    ]
    assert [(kind, number) for _, _, kind, number, _ in events[1 : len(STEPS) + 1]] == list(STEPS)
    assert deliveries.undelivered == 0, deliverer.log()[-3_000:]
    body = next(iter(inbox.received.values())).body
    assert "lat" not in json.dumps(body)
