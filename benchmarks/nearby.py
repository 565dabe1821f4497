"""Measure searches for the nearest free drivers: `python -m benchmarks.nearby`, in eight minutes.

One worker on PostgreSQL and Redis receives, from another, 2,000 updates a second of 100,000
drivers, four fifths of whom are contactable. Searches over HTTP come at a fixed rate, whatever the
answers take, and their times count from when they were due. For comparison the same searches are
made in the database, by the best statement there is without an index on places; and as many
requests to `/health/live/` show what the machine itself adds, if other programs run on it.
"""

import asyncio
import contextlib
import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import psycopg

from benchmarks.load.cpu import cpu_seconds
from tests import services
from tests.services.fleet import moving_fleet

DRIVERS: Final = 100_000
UPDATES: Final = 2_000
FIRST, DISPATCHER = 1_001, 1
CONNECTIONS: Final = 32
SPAN: Final = 10.0  # seconds of each measurement
ROUNDS: Final = 3
# A request with an Origin is left to Django, as it may need the headers of CORS.
VIEW: Final = "Origin: http://127.0.0.1\r\n"
# What is asked for, how often a second, and with which headers; the health has no places.
LOADS: Final = (
    ("nothing", 0, ""),
    ("health", 500, ""),
    ("search", 50, ""),
    ("search", 200, ""),
    ("search", 500, ""),
    ("search in the view", 25, VIEW),
)
# The demo's town.
SOUTH, WEST, NORTH, EAST = -1.47, 0.935, -1.40, 1.035

_USERS: Final = """
INSERT INTO accounts_user (id, password, is_superuser, email, name, role, is_staff, is_active,
    date_joined)
SELECT id, '', false, id || '@example.org', 'Driver ' || id, 'driver', false, true, now()
FROM generate_series(%s::int, %s::int) AS ids (id)
"""
_STATES: Final = """
INSERT INTO tracking_driverstate (driver_id, state, since, vehicle_type, shifts_ended_at)
SELECT id, 'available', now(), '', '[]' FROM accounts_user WHERE role = 'driver'
"""
_NEAREST: Final = """
SELECT driver_id, 2 * 6371008.8 * asin(sqrt(
        power(sin(radians(latitude - %(lat)s) / 2), 2) + cos(radians(latitude))
        * cos(radians(%(lat)s)) * power(sin(radians(longitude - %(lon)s) / 2), 2))) AS metres
FROM tracking_driverlocation AS location JOIN tracking_driverstate AS state USING (driver_id)
WHERE state = 'available' AND disconnected_at IS NULL
    AND COALESCE(heard_at, received_at) > now() - interval '60 seconds'
    AND latitude BETWEEN %(lat)s - 0.01 AND %(lat)s + 0.01
    AND longitude BETWEEN %(lon)s - 0.01 AND %(lon)s + 0.01
ORDER BY metres LIMIT 10
"""


class Searcher:
    """One connection that searches, one search after the other."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def search(self, latitude: float, longitude: float, headers: str = "") -> None:
        path = f"/driver/nearby/?lat={latitude:.5f}&lon={longitude:.5f}"
        body = await self.get(path, headers)
        if body.count(b'"distance"') != 10:
            raise RuntimeError(body.decode())

    async def get(self, path: str, headers: str = "") -> bytes:
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self._token}\r\n{headers}\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        return await self._reader.readexactly(length)


def place(rng: random.Random) -> tuple[float, float]:
    return rng.uniform(SOUTH, NORTH), rng.uniform(WEST, EAST)


async def load(port: int, token: str, asked: str, rate: int, headers: str) -> list[float]:
    """Ask at a fixed rate for SPAN; return the seconds from when each was due."""
    if not rate:
        await asyncio.sleep(SPAN)
        return []
    searchers: asyncio.Queue[Searcher] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        searcher = Searcher(port, token)
        await searcher.open()
        searchers.put_nowait(searcher)
    rng, taken, tasks = random.Random(rate), [], []  # noqa: S311
    began = time.perf_counter()

    async def one(due: float) -> None:
        searcher = await searchers.get()
        if asked == "health":
            await searcher.get("/health/live/")
        else:
            await searcher.search(*place(rng), headers)
        taken.append(time.perf_counter() - due)
        searchers.put_nowait(searcher)

    for number in range(int(SPAN * rate)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return sorted(taken)


async def warm_up(port: int, token: str) -> None:
    """Return once the worker has read all drivers; it answers 503 while that takes long."""
    while True:
        searcher = Searcher(port, token)
        await searcher.open()
        with contextlib.suppress(RuntimeError):
            await searcher.search(*place(random.Random(1)))  # noqa: S311
            return


def in_database(url: str) -> list[float]:
    """Make searches in the database for SPAN, one after another; return their seconds."""
    rng, taken = random.Random(1), []  # noqa: S311
    with psycopg.connect(url) as connection:
        ends = time.perf_counter() + SPAN
        while (began := time.perf_counter()) < ends:
            latitude, longitude = place(rng)
            connection.execute(_NEAREST, {"lat": latitude, "lon": longitude}).fetchall()
            taken.append(time.perf_counter() - began)
    return sorted(taken)


def shown(taken: list[float]) -> str:
    if not taken:
        return " | "
    p99 = taken[int(len(taken) * 0.99)]
    return f"{statistics.median(taken) * 1000:.1f} ms | {p99 * 1000:.1f} ms"


@contextlib.contextmanager
def world() -> Iterator[tuple[services.Uvicorn, str, str]]:
    """Yield a worker that receives the moving fleet, a token, and the URL of the database."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres_service())
        redis = stack.enter_context(services.redis_service())
        environment = services.environment(postgres.url, redis.url)
        services.manage(environment, "migrate", "--no-input")
        staff = {"id": DISPATCHER, "email": "dispatcher@example.org", "role": "dispatcher"}
        staff |= {"is_staff": True, "is_superuser": True}
        token = services.create_users(environment, [staff])[DISPATCHER]
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(_USERS, (FIRST, FIRST + DRIVERS - 1))
            connection.execute(_STATES)
            connection.execute("ANALYZE")
        server = stack.enter_context(services.Uvicorn(environment))
        stack.enter_context(moving_fleet(environment, FIRST, DRIVERS, rate=UPDATES))
        yield server, token, postgres.url


def main() -> None:
    with world() as (server, token, database):
        began = time.perf_counter()
        asyncio.run(warm_up(server.port, token))
        print(f"the first search, which reads all drivers: {time.perf_counter() - began:.1f} s")
        print("| asked for | a second | median | p99 | CPU of the worker | load |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for _ in range(ROUNDS):
            for asked, rate, headers in LOADS:
                cpu, started = cpu_seconds(server.pid), time.perf_counter()
                taken = asyncio.run(load(server.port, token, asked, rate, headers))
                seconds = time.perf_counter() - started
                share = (cpu_seconds(server.pid) - cpu) / seconds
                reached = f"{len(taken) / seconds:.0f} of {rate}"
                waiting = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
                print(
                    f"| {asked} | {reached} | {shown(taken)} | {share:.0%} | {waiting} |",
                    flush=True,
                )
            taken = in_database(database)
            print(f"| database | {len(taken) / SPAN:.0f} | {shown(taken)} | | |", flush=True)


if __name__ == "__main__":
    main()
