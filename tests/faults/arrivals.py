"""Drivers on their way to pickups and dropoffs, and the endpoint that hears of each arrival."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Self

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tracking.geo import METRES_PER_DEGREE

from .load import Client

PICKUP: Final = (60.17, 24.94)
# Metres north of the pickup.
DROPOFF: Final = 2_000.0
# Until so many seconds after the start, the car is so many metres north of the pickup.
DRIVE: Final = ((6.0, -900.0), (16.0, 0.0), (32.0, 400.0), (46.0, DROPOFF))
SECONDS: Final = DRIVE[-1][0]
# The seconds between two fixes of a driver.
INTERVAL: Final = 0.5

STEPS: Final = (
    ("waypoint.arriving", 0),
    ("waypoint.arrived", 0),
    ("waypoint.departed", 0),
    ("waypoint.arriving", 1),
    ("waypoint.arrived", 1),
)


def waypoints() -> list[dict[str, Any]]:
    """Return the waypoints of each trip."""
    latitude, longitude = PICKUP
    return [
        {"kind": "pickup", "lat": latitude, "lon": longitude},
        {"kind": "dropoff", "lat": latitude + DROPOFF / METRES_PER_DEGREE, "lon": longitude},
    ]


class Car(Client):
    """A phone in a car on the way. It sends where it is, and repeats nothing."""

    def send_first_message(self) -> None:
        pass

    def receive(self, frame: str, now: float) -> None:
        if "error" in json.loads(frame):
            raise ValueError(frame)

    async def drive(self, began: float) -> None:
        """Send until the end of the drive."""
        while (now := monotonic() - began) < SECONDS:
            metres = next(place for until, place in DRIVE if now < until)
            self.say(
                command="send",
                lat=round(PICKUP[0] + metres / METRES_PER_DEGREE, 7),
                lon=PICKUP[1],
                accuracy=5,
            )
            await asyncio.sleep(INTERVAL)


class Traffic:
    """The cars on several servers, of which each reconnects to the next one. A context manager."""

    def __init__(self, urls: Sequence[str], tokens: Mapping[int, str]) -> None:
        self.errors: list[Exception] = []
        self.disconnects: Counter[int] = Counter()
        self.news = asyncio.Event()
        self._cars = [
            Car(self, _in_turn(urls, turn, driver_id), token)  # type: ignore[arg-type]  # what it uses
            for turn, (driver_id, token) in enumerate(tokens.items())
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(car.run()) for car in self._cars]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for car in self._cars:
            if car.transport is not None:
                car.transport.disconnect()

    async def drive(self) -> None:
        """Drive all trips from begin to end."""
        began = monotonic()
        await asyncio.gather(*(car.drive(began) for car in self._cars))


def _in_turn(urls: Sequence[str], turn: int, driver_id: int) -> list[str]:
    first = turn % len(urls)
    return [
        f"{url}/driver/set-tracking?userId={driver_id}" for url in (*urls[first:], *urls[:first])
    ]


@dataclass
class Received:
    """The deliveries of one event: how often it came, and its body."""

    times: int = 0
    body: dict[str, Any] = field(default_factory=dict)


class Inbox:
    """An endpoint that verifies and keeps what it receives, by `webhook-id`. A context manager."""

    def __init__(self) -> None:
        self.received: dict[str, Received] = {}
        self.errors: list[Exception] = []
        self.secret = ""
        self.port = 0
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/", self._receive)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def reach(self, ids: Set[str], within: float) -> None:
        """Return once events with these ids were received, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not ids <= self.received.keys():
                    self._news.clear()
                    await self._news.wait()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            content = Webhook(self.secret).verify(body, dict(request.headers))
        except Exception as error:
            self.errors.append(error)
            return web.Response(status=400)
        entry = self.received.setdefault(request.headers["webhook-id"], Received())
        entry.times += 1
        entry.body = content
        self._news.set()
        return web.Response(status=204)


@dataclass(frozen=True)
class Deliveries:
    """A row of the table: the events of trips, and what became of them."""

    trips: int
    events: int
    lost: int
    twice: int  # stored twice
    undelivered: int
    repeated: int  # delivered more than once

    def cells(self) -> list[str]:
        """Return the cells of the row."""
        figures = (
            self.trips,
            self.events,
            self.lost,
            self.twice,
            self.undelivered,
            self.repeated,
        )
        return [f"{figure:,}" for figure in figures]
