"""A host project's own process, which makes trips on the servers' database and Redis.

Run as a program, it reads orders from stdin, one in a line, and answers each. `Host` starts it.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, Self

from tests.services.program import PROJECT

# Dispatchers: so many orders are carried out at once.
DISPATCHERS = 4


class RefusedError(Exception):
    """Raised for an order that `tracking` refuses. The first argument is the error's class."""


class Host:
    """The process, with the servers' environment. An async context manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._orders = 0
        self._process: asyncio.subprocess.Process
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.host",
            env=dict(self._environment),
            cwd=PROJECT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def order(self, function: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Call a function of this module's program, and return its answer; raise `RefusedError`.

        The answer's `committed` is the time of the commit, of the clock of `time.monotonic`.
        """
        assert self._process.stdin is not None
        self._orders += 1
        answer = self._waiting[self._orders] = asyncio.get_running_loop().create_future()
        order = [self._orders, function, arguments, options]
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        result: dict[str, Any] = await answer
        if "refused" in result:
            raise RefusedError(result["refused"], result["message"])
        return result

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            number, answer = json.loads(line)
            waiting = self._waiting.pop(number)
            if not waiting.cancelled():
                waiting.set_result(answer)
        for waiting in self._waiting.values():
            waiting.set_exception(ConnectionError("the host's process has ended"))


def main() -> None:
    """Carry out the orders on stdin, in threads with database connections of their own."""
    import threading
    import time
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial

    import django

    django.setup()

    from django.db import connections, transaction

    from tracking import trips
    from tracking.models import DriverState, Trip, TripAssignment, WatchGrant
    from tracking.models.trip import FINAL

    def change(name: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        committed = []
        with transaction.atomic():
            # Before the notices to the workers.
            transaction.on_commit(lambda: committed.append(time.monotonic()))
            trip = getattr(trips, name)(*arguments, **options)
        return {
            "trip": trip.pk,
            "driver": trip.driver_id,
            "status": str(trip.status),
            "version": trip.version,
            "assigned_at": trip.assigned_at and trip.assigned_at.timestamp(),
            "committed": committed[0],
            "answered": time.monotonic(),
        }

    def audit(trip_ids: list[int]) -> dict[str, Any]:
        """Count what is left of trips that have ended."""
        drivers = TripAssignment.objects.filter(trip__in=trip_ids).values("driver")
        busy = DriverState.objects.filter(pk__in=drivers, state__in=["reserved", "on_trip"])
        assigned = TripAssignment.objects.filter(trip__in=trip_ids, until=None)
        granted = WatchGrant.objects.filter(trip__in=trip_ids, ended_at=None)
        return {
            "unfinished": Trip.objects.filter(pk__in=trip_ids).exclude(status__in=FINAL).count(),
            "busy": busy.count(),
            "assigned": assigned.count(),
            "granted": granted.count(),
        }

    def carry_out(line: str) -> None:
        number, name, arguments, options = json.loads(line)
        try:
            call = audit if name == "audit" else partial(change, name)
            answer = call(*arguments, **options)
        except Exception as error:
            answer = {"refused": type(error).__name__, "message": str(error)}
        with printing:
            print(json.dumps([number, answer]), flush=True)

    printing = threading.Lock()
    with ThreadPoolExecutor(DISPATCHERS) as pool:
        for line in sys.stdin:
            pool.submit(carry_out, line)
        for _ in range(DISPATCHERS):
            pool.submit(connections.close_all)


if __name__ == "__main__":
    main()
