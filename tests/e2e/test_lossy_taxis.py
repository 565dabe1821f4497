"""Taxis whose phones lose the network, upload late, send twice, and have wrong clocks."""

import asyncio
import json
import random
from asyncio import TaskGroup
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import services

from .client import Driver, Watcher
from .lossy import MIN_MESSAGES, SOURCES, Measured, Send, lossy, payload, taxis_of
from .stack import RIDER
from .test_taxis import frame

pytestmark = pytest.mark.timeout(90)

CLOCK_ERROR = timedelta(minutes=10)
# A taxi's whole day is compressed into this time, which ends at the start of the test.
TRIP = timedelta(minutes=15)
# Longer than a test takes: times within it are in the future at first, and later are not.
UNCERTAIN = timedelta(seconds=60)
ANSWER_TIMEOUT = 45.0  # seconds


def by_the_phone(fixes: list[Measured], start: datetime, error: timedelta) -> list[Measured]:
    """Return the trip so that it ends at `start`, by a clock that is wrong by `error`."""
    first, last = fixes[0].at, fixes[-1].at
    dated = []
    at = datetime.min.replace(tzinfo=UTC)
    for fix in fixes:
        wanted = start + error - TRIP * ((last - fix.at) / (last - first))
        wanted = wanted.replace(microsecond=wanted.microsecond // 1000 * 1000)
        at = max(wanted, at + timedelta(milliseconds=1))
        if not start <= at < start + UNCERTAIN:
            dated.append(fix._replace(at=at))
    return dated


class Newest:
    """The newest fix by the phone's own clock, right or wrong: the one that must be stored."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.fix: Measured | None = None

    @property
    def ahead(self) -> bool:
        return self.fix is not None and self.fix.at > self.start

    def add(self, send: Send) -> None:
        self.fix = max(send) if self.fix is None else max(self.fix, *send)


class Taxi:
    """A phone that loses its connection twice, each time with a message in flight."""

    def __init__(self, rng: random.Random, sends: list[Send], newest: Newest) -> None:
        cuts = sorted(rng.sample(range(1, len(sends) - 1), 2))
        # The lost message is sent again at once, as the next connection's first.
        self.connections = [
            sends[begin:end] for begin, end in zip([0, *cuts], [*cuts, None], strict=True)
        ]
        self.newest = newest
        for send in sends:
            newest.add(send)

    async def drive(self, connect: Any, ended: Any, *, pipelined: bool) -> None:
        """Send everything; check that each message is acknowledged once, with its newest fix.

        `connect(number)` returns the connection with this number, and `ended(number)` waits until
        the server has noticed its end.
        """
        for number, sends in enumerate(self.connections):
            expected = [frame(*max(send)[1:]) for send in sends]
            async with connect(number) as driver:
                for count, send in enumerate(sends, start=1):
                    await post(driver, send)
                    if not pipelined:
                        await driver.frame(count - 1, ANSWER_TIMEOUT)
                await driver.frame(len(sends) - 1, ANSWER_TIMEOUT)
                if number + 1 < len(self.connections):
                    lost = self.connections[number + 1][0]
                    await post(driver, lost)
                    driver.vanish()
                    expected.append(frame(*max(lost)[1:]))
            if self.newest.ahead:
                # This phone's clock runs far faster than real time, as its day is compressed, so
                # its fixes are dated by their arrival. Two workers must not receive in another
                # order than it sends: a worker that is slow to read the lost message would date it
                # after the messages that follow it.
                await ended(number)
            unanswered = len(expected) - len(driver.frames)
            assert unanswered in (0, 1 if len(expected) > len(sends) else 0)
            assert driver.frames == expected[: len(driver.frames)]


async def noticed_ends(worker: services.Uvicorn, driver_id: int, count: int) -> None:
    """Wait until a worker has logged the end of `count` connections of this driver's phone."""

    def ends() -> int:
        whole_lines, _, _ = worker.log().rpartition("\n")
        records = [json.loads(line) for line in whole_lines.splitlines() if '"driver": ' in line]
        return sum(
            (record["event"], record["route"], record["driver"])
            == ("Connection ended", "set-tracking", driver_id)
            for record in records
        )

    async with asyncio.timeout(ANSWER_TIMEOUT):
        while ends() < count:  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)


async def post(driver: Driver, send: Send) -> None:
    await driver.send_message(token=driver.token, **payload(send))


@pytest.fixture(scope="module")
def unlimited_workers(cluster_stack):
    """Start two workers on the same database, without a limit of unauthenticated phones."""
    environment = {**cluster_stack.environment, "TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS": "0"}
    with services.cluster(environment) as workers:
        yield workers


@pytest.mark.parametrize("source", SOURCES)
async def test_dots_never_go_backwards_and_end_at_the_newest_fix(
    cluster_stack, unlimited_workers, source
):
    rng = random.Random(5)
    tokens = cluster_stack.tokens
    day = taxis_of(source)
    start = datetime.now(UTC)
    taxis: dict[int, Taxi] = {}
    for fixes in day:
        dated = by_the_phone(fixes, start, CLOCK_ERROR * rng.uniform(-1, 1))
        sends = lossy(rng, dated)
        if len(sends) >= MIN_MESSAGES:
            taxis[cluster_stack.new_driver()] = Taxi(rng, sends, Newest(start))
    assert len(taxis) > 0.8 * len(day)
    # Some clocks are ahead and some are not, or the test would prove little.
    assert {taxi.newest.ahead for taxi in taxis.values()} == {True, False}

    watchers = {}
    async with AsyncExitStack() as connections:
        for number, driver_id in enumerate(taxis):
            url = unlimited_workers[number % 2].websocket_url
            watcher = await connections.enter_async_context(Watcher(url, driver_id, tokens[RIDER]))
            await watcher.start(details=True)
            watchers[driver_id] = watcher
        async with TaskGroup() as group:
            for number, (driver_id, taxi) in enumerate(taxis.items()):

                def connect(turn: int, driver_id: int = driver_id) -> Driver:
                    url = unlimited_workers[turn % 2].websocket_url
                    return Driver(url, driver_id, tokens[driver_id])

                async def ended(turn: int, driver_id: int = driver_id) -> None:
                    # Each worker has every other connection.
                    await noticed_ends(unlimited_workers[turn % 2], driver_id, turn // 2 + 1)

                group.create_task(taxi.drive(connect, ended, pipelined=bool(number % 2)))

        stored = services.locations(cluster_stack.environment)
        for driver_id, taxi in taxis.items():
            row, newest = stored[driver_id], taxi.newest.fix
            assert newest is not None
            assert (row.latitude, row.longitude) == (float(newest.lat), float(newest.lon))
            if taxi.newest.ahead:
                assert start < row.recorded_at <= row.received_at
                assert row.clock_offset < 0
            else:
                assert (row.recorded_at, row.clock_offset) == (newest.at, None)
            # The watcher's last location is the stored one.
            await watchers[driver_id].until(lambda frames, row=row: shows(frames[-1], row))

    assert datetime.now(UTC) - start < UNCERTAIN
    for watcher in watchers.values():
        times = [json.loads(text).get("recorded_at", "") for text in watcher.frames]
        assert times == sorted(times)


def shows(text: str, row: services.StoredLocation) -> bool:
    location = json.loads(text)
    place = location.get("location_lat"), location.get("location_lon")
    return place == (str(row.latitude), str(row.longitude))
