"""Measure the cost of a fleet viewer to the server: `python -m benchmarks.fleet`, in 90 seconds.

One worker on PostgreSQL and Redis receives, from another, 2,000 updates a second of 10,000 drivers.
Its CPU time is measured without viewers, and with viewers of the whole fleet or of a part.
"""

import asyncio
import json
import time
from contextlib import ExitStack
from typing import Any, Final

from websockets.asyncio.client import connect

from benchmarks.load.cpu import cpu_seconds
from tests import services
from tests.services.fleet import moving_fleet

DRIVERS: Final = 10_000
UPDATES: Final = 2_000
FIRST, DISPATCHER = 1_001, 1
SETTLE: Final = 5.0  # seconds for snapshots to arrive
SPAN: Final = 10.0  # seconds of measurement
# About a quarter of the demo's town.
PART: Final = [0.97, -1.44, 1.0, -1.42]
ROUNDS: Final[list[tuple[int, list[float] | None]]] = [(0, None), (1, None), (5, None), (5, PART)]


class Viewer:
    """A fleet viewer that counts the bytes it receives."""

    def __init__(self, url: str, token: str, bbox: list[float] | None) -> None:
        self._url = f"{url}/fleet/get-tracking"
        self._payload = {"token": token, "command": "start", "bbox": bbox}
        self.bytes = 0
        self.snapshot_seconds = 0.0

    async def look(self) -> None:
        async with connect(self._url, compression=None, proxy=None) as socket:
            began = time.perf_counter()
            message = {"type": "authenticate", "payload": self._payload}
            await socket.send(json.dumps(message))
            async for frame in socket:
                self.bytes += len(frame)
                if not self.snapshot_seconds and "more" not in json.loads(frame):
                    self.snapshot_seconds = time.perf_counter() - began


async def measure(
    server: services.Uvicorn, token: str, count: int, bbox: list[float] | None
) -> dict[str, Any]:
    """Return the CPU time of the server in seconds per second, and more, with `count` viewers."""
    viewers = [Viewer(server.websocket_url, token, bbox) for _ in range(count)]
    tasks = [asyncio.create_task(viewer.look()) for viewer in viewers]
    await asyncio.sleep(SETTLE)
    cpu, read = cpu_seconds(server.pid), sum(viewer.bytes for viewer in viewers)
    await asyncio.sleep(SPAN)
    result = {
        "cpu": (cpu_seconds(server.pid) - cpu) / SPAN,
        "bytes": (sum(viewer.bytes for viewer in viewers) - read) / SPAN / max(1, count),
        "snapshot": max((viewer.snapshot_seconds for viewer in viewers), default=0.0),
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return result


def main() -> None:
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres_service())
        redis = stack.enter_context(services.redis_service())
        environment = services.environment(postgres.url, redis.url)
        services.manage(environment, "migrate", "--no-input")
        dispatcher = {"id": DISPATCHER, "email": "dispatcher@example.org", "role": "dispatcher"}
        drivers = [
            {
                "id": pk,
                "email": f"{pk}@example.org",
                "name": f"Driver Number {pk}",
                "role": "driver",
            }
            for pk in range(FIRST, FIRST + DRIVERS)
        ]
        staff = {**dispatcher, "is_staff": True, "is_superuser": True}
        token = services.create_users(environment, [staff, *drivers])[DISPATCHER]
        server = stack.enter_context(services.Uvicorn(environment))
        stack.enter_context(moving_fleet(environment, FIRST, DRIVERS, rate=UPDATES))
        print(f"{DRIVERS:,} drivers, {UPDATES:,} updates/s, one worker")
        print("| viewers | look at | CPU of the worker | to each | all there after |")
        print("| ---: | --- | ---: | ---: | ---: |")
        for count, bbox in ROUNDS:
            result = asyncio.run(measure(server, token, count, bbox))
            view = ("a part" if bbox else "everybody") if count else ""
            print(
                f"| {count} | {view} | {result['cpu']:.1%} "
                f"| {result['bytes'] / 1000:.0f} kB/s | {result['snapshot']:.2f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
