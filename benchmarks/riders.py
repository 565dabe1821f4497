"""Measure the cost of riders who see cars nearby: `python -m benchmarks.riders`, in two minutes.

One worker on PostgreSQL and Redis receives, from another, 200 updates a second of 1,000 free cars
in a town. Its CPU time is measured with one rider, and with 2,000 of them all over the town, each
of whom gets a frame every 2 s.
"""

import asyncio
import json
import random
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import psycopg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.load.cpu import cpu_seconds
from tests import services
from tests.services.fleet import moving_fleet

CARS: Final = 1_000
UPDATES: Final = 200
RIDERS: Final = 2_000
FIRST_CAR, FIRST_RIDER = 10_001, 1_001
SETTLE: Final = 8.0  # seconds
SPAN: Final = 10.0  # seconds of measurement
ROUNDS: Final = 3
# The demo's town.
SOUTH, WEST, NORTH, EAST = -1.47, 0.935, -1.40, 1.035

# Shifts that began far away and long ago, so that no car is hidden near home or as a new one.
_STATES: Final = """
INSERT INTO tracking_driverstate (driver_id, state, since, vehicle_type, shift_began_at,
    shifts_ended_at)
SELECT id, 'available', now() - interval '1 day', '', '[50, 50]', '[]' FROM accounts_user
WHERE id >= %s
"""


class Rider:
    """A rider's page, which counts the frames and cars that it gets."""

    def __init__(self, url: str, token: str, rng: random.Random) -> None:
        self._url = f"{url}/nearby/get-tracking"
        place = {"lat": rng.uniform(SOUTH, NORTH), "lon": rng.uniform(WEST, EAST)}
        self._start = {"token": token, "command": "start", **place}
        self.frames = self.cars = 0

    async def open(self) -> None:
        self._socket: ClientConnection = await connect(self._url, compression=None, proxy=None)
        message = {"type": "authenticate", "payload": self._start}
        await self._socket.send(json.dumps(message))
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for frame in self._socket:
            self.frames += 1
            self.cars = frame.count('"id"')

    async def close(self) -> None:
        self.reading.cancel()
        await self._socket.close()


async def measure(server: services.Uvicorn, tokens: list[str]) -> tuple[float, float, float]:
    """Return the CPU of the worker, the frames a second to each rider, and the cars in a frame."""
    rng = random.Random(1)  # noqa: S311
    riders = [Rider(server.websocket_url, token, rng) for token in tokens]
    for start in range(0, len(riders), 50):
        await asyncio.gather(*(rider.open() for rider in riders[start : start + 50]))
    await asyncio.sleep(SETTLE)
    cpu, frames = cpu_seconds(server.pid), sum(rider.frames for rider in riders)
    await asyncio.sleep(SPAN)
    share = (cpu_seconds(server.pid) - cpu) / SPAN
    each = (sum(rider.frames for rider in riders) - frames) / SPAN / max(1, len(riders))
    cars = statistics.mean(rider.cars for rider in riders) if riders else 0.0
    for rider in riders:
        await rider.close()
    return share, each, cars


@contextmanager
def town() -> Iterator[tuple[services.Uvicorn, list[str]]]:
    """Yield a worker that receives the moving cars, and the tokens of the riders."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres_service())
        redis = stack.enter_context(services.redis_service())
        environment = services.environment(postgres.url, redis.url)
        services.manage(environment, "migrate", "--no-input")
        people = [
            {"id": pk, "email": f"{pk}@example.org", "role": role}
            for first, count, role in (
                (FIRST_RIDER, RIDERS, "rider"),
                (FIRST_CAR, CARS, "driver"),
            )
            for pk in range(first, first + count)
        ]
        tokens = services.create_users(environment, people)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(_STATES, (FIRST_CAR,))
        server = stack.enter_context(services.Uvicorn(environment))
        stack.enter_context(moving_fleet(environment, FIRST_CAR, CARS, rate=UPDATES))
        yield server, [tokens[pk] for pk in range(FIRST_RIDER, FIRST_RIDER + RIDERS)]


def main() -> None:
    with town() as (server, tokens):
        print("| riders | CPU of the worker | frames/s to each | cars in a frame |")
        print("| ---: | ---: | ---: | ---: |")
        for _ in range(ROUNDS):
            for count in (1, RIDERS):
                share, frames, cars = asyncio.run(measure(server, tokens[:count]))
                print(f"| {count:,} | {share:.1%} | {frames:.2f} | {cars:.1f} |", flush=True)


if __name__ == "__main__":
    main()
