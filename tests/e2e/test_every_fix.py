"""Every acknowledged fix is kept, and nothing else, while the network and the servers fail.

Taxis upload a past day over a lossy network to two workers. PostgreSQL and a worker are killed
meanwhile, and started again. Phones keep what is not acknowledged, and send it again.
"""

import asyncio
import json
import random
from asyncio import TaskGroup
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests import services
from tests.faults.system import operate

from .http import call
from .lossy import MIN_MESSAGES, SOURCES, Measured, Send, lossy, payload, taxis_of
from .stack import Stack, create_people
from .test_taxis import frame

pytestmark = pytest.mark.timeout(120)

ANSWER_TIMEOUT = 45.0  # seconds
# Each phone loses its network so often, with messages in flight.
CUTS = 2
# The shares of all messages that are acknowledged when PostgreSQL and the worker are killed.
FIRST, SECOND = 0.2, 0.6


class Phone:
    """A phone that keeps each message until it is acknowledged, and sends the oldest first.

    It connects to the servers in turn. It sends up to `window` messages before it waits for an
    acknowledgement, and rests for some seconds after each. `on_acknowledged` is called after each.
    """

    def __init__(
        self,
        urls: Iterable[str],
        token: str,
        sends: list[Send],
        *,
        cuts: list[int],
        window: int,
        rest: float,
        on_acknowledged: Callable[[], None],
    ) -> None:
        """Set up a phone that loses its network after each number of acknowledgements in `cuts`."""
        self.refusals: set[str] = set()
        self._urls = urls
        self._token = token
        self._waiting = deque(sends)
        self._acknowledged = 0
        self._cuts = deque(sorted(cuts))
        self._window = window
        self._rest = rest
        self._on_acknowledged = on_acknowledged

    async def upload(self) -> None:
        """Return once every message is acknowledged. Raises AssertionError for a wrong answer."""
        for url in cycle(self._urls):
            with suppress(OSError, TimeoutError, WebSocketException):
                async with connect(
                    url,
                    compression=None,
                    ping_interval=None,
                    close_timeout=1,
                    max_queue=None,
                    proxy=None,
                ) as connection:
                    await self._upload_on(connection)
            if not self._waiting:
                return
            await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _upload_on(self, connection: ClientConnection) -> None:
        """Upload until the connection ends, or the network is lost."""
        sent = 0
        while self._waiting:
            for send in list(self._waiting)[sent : self._window]:
                await connection.send(message(self._token, send))
                sent += 1
            if self._cuts and self._acknowledged >= self._cuts[0]:
                self._cuts.popleft()
                connection.transport.abort()
                return
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await connection.recv()
            if '"error"' in answer:
                self.refusals.add(json.loads(answer)["error"]["code"])
                return
            # In the order of the messages, each with its newest fix.
            assert answer == frame(*max(self._waiting[0])[1:])
            self._waiting.popleft()
            sent -= 1
            self._acknowledged += 1
            self._on_acknowledged()
            await asyncio.sleep(self._rest)


def message(token: str, send: Send) -> str:
    return json.dumps({"type": "authenticate", "payload": {"token": token, **payload(send)}})


def in_the_past(day: list[list[Measured]]) -> list[list[Measured]]:
    """Return the taxis' fixes so that the last is of yesterday at six: they drive over midnight."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    change = today - timedelta(hours=18) - max(fixes[-1].at for fixes in day)
    return [[fix._replace(at=fix.at + change) for fix in fixes] for fixes in day]


def line(at: datetime, latitude: Any, longitude: Any) -> str:
    """Return a fix as text: microseconds and 7 decimals, which is all that is kept of these."""
    when = at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{when} {float(latitude):.7f} {float(longitude):.7f}"


class Count:
    """A count that one task can wait for."""

    def __init__(self) -> None:
        self._value = 0
        self._changed = asyncio.Event()

    def add(self) -> None:
        self._value += 1
        self._changed.set()

    async def reaches(self, value: float) -> None:
        while self._value < value:
            self._changed.clear()
            await self._changed.wait()


class Fleet:
    """Phones of taxis that drive over midnight and upload the fixes of that day.

    `sent` has all fixes by driver, as text; `messages` is the number of messages, and
    `acknowledged` counts those of them that were acknowledged.
    """

    def __init__(self, stack: Stack, day: list[list[Measured]], rest: float = 0.0) -> None:
        rng = random.Random(6)
        self.acknowledged = Count()
        self.messages = 0
        self.sent: dict[int, list[str]] = {}
        self.phones: list[Phone] = []
        for number, fixes in enumerate(in_the_past(day)):
            sends = lossy(rng, fixes)
            if len(sends) < MIN_MESSAGES:
                continue
            driver_id = stack.new_driver()
            self.messages += len(sends)
            self.sent[driver_id] = [line(*fix) for fix in fixes]
            # Half of them begin with the other server.
            servers = stack.servers if number % 4 < 2 else stack.servers[::-1]
            route = f"driver/set-tracking?userId={driver_id}"
            self.phones.append(
                Phone(
                    [f"{server.websocket_url}/{route}" for server in servers],
                    stack.tokens[driver_id],
                    sends,
                    cuts=rng.sample(range(1, len(sends) - 1), CUTS),
                    # Half wait for acknowledgements, half send as fast as the socket takes it.
                    window=1 if number % 2 else len(sends),
                    rest=rest,
                    on_acknowledged=self.acknowledged.add,
                )
            )

    @property
    def refusals(self) -> set[str]:
        """Return the codes of all errors that phones received."""
        return set().union(*(phone.refusals for phone in self.phones))


@pytest.fixture(scope="module")
def failing():
    """Start services and two workers that may be killed; yield the first service and the stack."""
    with (
        services.Postgres(services.find_postgres()) as postgres,
        services.Redis(services.find_redis()) as redis,
    ):
        environment = services.environment(
            postgres.url,
            redis.url,
            TRACKING_MAX_FIXES_PER_SECOND="0",
            TRACKING_MAX_CONNECTIONS_PER_USER="0",
            TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS="0",
        )
        with services.cluster(environment) as workers:
            yield postgres, Stack(workers, create_people(environment))


async def until_storing_fails(workers: Iterable[services.Uvicorn]) -> None:
    """Wait until each of the workers has read a fix that it cannot store."""
    async with asyncio.timeout(ANSWER_TIMEOUT):
        for worker in workers:
            health: Any = {"degraded": ()}
            while "storage" not in health["degraded"]:
                health = (await call(worker.port, "GET", "/health/live/")).json()


async def fail(postgres: services.Postgres, stack: Stack, fleet: Fleet) -> None:
    """Kill PostgreSQL and then a worker while phones upload, and start each again."""
    await fleet.acknowledged.reaches(FIRST * fleet.messages)
    await operate(postgres.kill)
    await until_storing_fails(stack.servers)
    await operate(postgres.start)
    await fleet.acknowledged.reaches(SECOND * fleet.messages)
    doomed = stack.servers[0]
    await operate(doomed.kill)
    await operate(doomed.start)


def maintain(stack: Stack) -> None:
    """Pack all days that are over."""
    environment = {**stack.environment, "TRACKING_HISTORY_HOT_DAYS": "0"}
    services.manage(environment, "tracking_maintain")


def hot(stack: Stack, driver_ids: Iterable[int]) -> dict[int, list[str]]:
    """Return the fixes of these drivers that are not packed, as text."""
    history = services.history(stack.environment)
    return {id_: [line(*fix[:3]) for fix in history.get(id_, ())] for id_ in driver_ids}


async def read(stack: Stack, driver_ids: Iterable[int]) -> dict[int, list[str]]:
    """Return the fixes of these drivers as a host project reads them, as text."""
    ids = list(driver_ids)
    program = f"""
from datetime import UTC, datetime, timedelta
from tracking.history.reading import read
now = datetime.now(UTC)
result = [
    [
        (fix.recorded_at.isoformat(), fix.latitude, fix.longitude)
        for fixes in read(driver_id, now - timedelta(days=9), now)
        for fix in fixes
    ]
    for driver_id in {ids}
]"""
    tracks = await stack.host(program)
    return {
        driver_id: [line(datetime.fromisoformat(at), *place) for at, *place in track]
        for driver_id, track in zip(ids, tracks, strict=True)
    }


def different(found: dict[int, list[str]], sent: dict[int, list[str]]) -> list[Any]:
    """Return each driver whose fixes are not the same in both, with the missing and the others.

    Without this pytest would compare the texts of ten thousand fixes, which takes minutes.
    """
    return [
        (driver_id, set(expected) - set(found[driver_id]), set(found[driver_id]) - set(expected))
        for driver_id, expected in sent.items()
        if found[driver_id] != expected
    ]


@pytest.mark.parametrize("source", SOURCES)
async def test_history_is_exactly_the_acknowledged_fixes_after_servers_were_killed(failing, source):
    postgres, stack = failing
    fleet = Fleet(stack, taxis_of(source))
    async with TaskGroup() as group:
        group.create_task(fail(postgres, stack, fleet))
        for phone in fleet.phones:
            group.create_task(phone.upload())
    assert fleet.refusals == set()
    assert different(hot(stack, fleet.sent), fleet.sent) == []

    await asyncio.to_thread(maintain, stack)
    assert not any(hot(stack, fleet.sent).values())
    assert different(await read(stack, fleet.sent), fleet.sent) == []


@pytest.mark.long
async def test_fixes_that_arrive_while_their_day_is_packed_are_kept(failing):
    _, stack = failing
    # They upload for some 10 s.
    fleet = Fleet(stack, taxis_of("made up"), rest=0.15)
    async with TaskGroup() as group:
        uploads = [group.create_task(phone.upload()) for phone in fleet.phones]
        runs = 0
        while not all(upload.done() for upload in uploads):
            await asyncio.to_thread(maintain, stack)
            runs += 1
    assert runs > 1
    assert different(await read(stack, fleet.sent), fleet.sent) == []
