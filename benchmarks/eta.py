"""Measure what times of arrival cost: `python -m benchmarks.eta`, in six minutes.

One worker on PostgreSQL and Redis, and OSRM with the streets of Helsinki's centre. 1,000 cars, each
with a trip, drive along its streets and report to the worker every 5 s. The worker's CPU time is
measured with times of arrival and without, in turn, once all trips have their lines.
"""

import asyncio
import itertools
import json
import multiprocessing
import random
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from websockets.asyncio.client import connect

from benchmarks.load.cpu import cpu_seconds
from tests import services
from tests.services.server import PlainUvicorn
from tracking.eta.engines.base import EngineError, Place
from tracking.eta.engines.osrm import OSRM
from tracking.geo import distance
from tracking.polyline import decode

TRIPS: Final = 1_000
FIRST_DRIVER, RIDER = 10_001, 1
INTERVAL: Final = 5.0  # seconds between two fixes of a car
SPEED: Final = 6.0  # metres per second
# Seconds: all are connected, and all trips have their lines.
CONNECT: Final = 15.0
SETTLE: Final = 50.0
SPAN: Final = 20.0  # seconds of measurement
ROUNDS: Final = 2
MIN_DRIVE: Final = 700.0  # metres: none arrives before the end
SOUTH, WEST, NORTH, EAST = 60.165, 24.936, 60.178, 24.953

_CREATE: Final = """
import json, sys
from django.utils import timezone
from tracking.models import DriverState, Trip, TripAssignment
now = timezone.now()
ends = json.loads(open({path!r}).read())
trips = Trip.objects.bulk_create(
    Trip(status="enroute_to_pickup", driver_id={first} + number, created_at=now, assigned_at=now,
        waypoints=[{{"kind": "pickup", "lat": end[0], "lon": end[1], "name": None}}])
    for number, end in enumerate(ends)
)
TripAssignment.objects.bulk_create(
    TripAssignment(trip=trip, driver_id=trip.driver_id, since=now) for trip in trips
)
DriverState.objects.bulk_create(
    DriverState(driver_id=trip.driver_id, state="on_trip", trip=trip, since=now) for trip in trips
)
"""


class Counter:
    """Passes connections on to the engine, and counts the requests."""

    def __init__(self, port: int, requests: Any) -> None:
        self._port, self._requests = port, requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)

        async def answers() -> None:
            while chunk := await back.read(65_536):
                writer.write(chunk)
            writer.close()  # as the engine does, after 5 s without a request

        answering = asyncio.create_task(answers())
        with suppress(asyncio.CancelledError):  # at the end
            while chunk := await reader.read(65_536):
                self._requests.value += chunk.count(b"GET /")
                forth.write(chunk)
        answering.cancel()
        forth.close()
        writer.close()


class Car:
    """A phone in a car that drives along a line."""

    def __init__(self, url: str, driver_id: int, token: str, line: list[Place]) -> None:
        self._url = f"{url}/driver/set-tracking?userId={driver_id}"
        self._token, self._line = token, line

    async def drive(self, delay: float) -> None:
        await asyncio.sleep(delay)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with connect(self._url, compression=None, proxy=None) as socket:
            while True:
                latitude, longitude = along(self._line, (loop.time() - began) * SPEED)
                payload = {"token": self._token, "command": "send"}
                payload |= {"lat": f"{latitude:.6f}", "lon": f"{longitude:.6f}"}
                await socket.send(json.dumps({"type": "authenticate", "payload": payload}))
                await socket.recv()
                await asyncio.sleep(INTERVAL)


def along(line: list[Place], metres: float) -> Place:
    """Return the place so many metres after the start."""
    for (y, x), (y_2, x_2) in itertools.pairwise(line):
        length = distance(y, x, y_2, x_2)
        if metres < length:
            part = metres / length
            return y + part * (y_2 - y), x + part * (x_2 - x)
        metres -= length
    return line[-1]


async def lines(url: str) -> list[list[Place]]:
    """Return the lines of drives between random places."""
    rng = random.Random(1)  # noqa: S311
    engine, found = OSRM(url), []
    while len(found) < TRIPS:
        start, end = ((rng.uniform(SOUTH, NORTH), rng.uniform(WEST, EAST)) for _ in range(2))
        try:
            route = await engine.route(start, end)
        except EngineError:
            continue
        if route is not None and route.metres > MIN_DRIVE:
            found.append(decode(route.line))
    await engine.close()
    return found


def count(engine_port: int, port: int, requests: Any) -> None:
    """Run a counter: in a process of its own, as the phones keep this one busy."""

    async def run() -> None:
        counter = Counter(engine_port, requests)
        server = await asyncio.start_server(counter.serve, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(run())


async def measure(
    server: PlainUvicorn,
    engine: services.RoutingEngine,
    cars: list[Car],
    requests: Any,
    settle: float,
) -> tuple[float, float, float]:
    """Return the CPU shares of the worker and of the engine, and the engine's requests a second."""
    driving = [
        asyncio.create_task(car.drive(10.0 * number / len(cars))) for number, car in enumerate(cars)
    ]
    await asyncio.sleep(settle)
    before = cpu_seconds(server.pid), cpu_seconds(engine.pid), requests.value
    await asyncio.sleep(SPAN)
    after = cpu_seconds(server.pid), cpu_seconds(engine.pid), requests.value
    for task in driving:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*driving, return_exceptions=True)
    worker, osrm, asked = ((late - early) / SPAN for early, late in zip(before, after, strict=True))
    return worker, osrm, asked


def main() -> None:
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres_service())
        redis = stack.enter_context(services.redis_service())
        engine = stack.enter_context(services.RoutingEngine())
        port = engine.port + 1
        environment = {
            **services.environment(postgres.url, redis.url),
            "ROUTING_URL": f"http://127.0.0.1:{port}",
        }
        services.manage(environment, "migrate", "--no-input")
        people = [{"id": RIDER, "email": "rider@example.org", "role": "rider"}]
        people += [
            {"id": FIRST_DRIVER + number, "email": f"{number}@example.org", "role": "driver"}
            for number in range(TRIPS)
        ]
        tokens = services.create_users(environment, people)
        drives = asyncio.run(lines(engine.url))
        folder = stack.enter_context(TemporaryDirectory())
        path = Path(folder) / "ends.json"
        path.write_text(json.dumps([line[-1] for line in drives]))
        create = _CREATE.format(path=str(path), first=FIRST_DRIVER)
        services.manage(environment, "shell", "-c", create)
        print("| times of arrival | CPU of the worker | CPU of OSRM | requests/s |")
        print("| --- | ---: | ---: | ---: |")
        requests = multiprocessing.Value("l", 0)
        counting = multiprocessing.Process(
            target=count, args=(engine.port, port, requests), daemon=True
        )
        counting.start()
        stack.callback(counting.terminate)
        for _ in range(ROUNDS):
            for name, application, settle in (
                ("no", "benchmarks.eta_off:application", CONNECT),
                ("yes", "ridehail.asgi:application", SETTLE),
            ):
                with PlainUvicorn(environment, application) as server:
                    cars = [
                        Car(
                            server.websocket_url,
                            FIRST_DRIVER + number,
                            tokens[FIRST_DRIVER + number],
                            line,
                        )
                        for number, line in enumerate(drives)
                    ]
                    measured = asyncio.run(measure(server, engine, cars, requests, settle))
                worker, osrm, asked = measured
                print(f"| {name} | {worker:.1%} | {osrm:.1%} | {asked:.1f} |", flush=True)


if __name__ == "__main__":
    main()
