"""The system under test: two workers, PostgreSQL and Redis, all of which can be made to fail."""

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from tests import services

from . import ledger
from .proxy import Proxy

# A server dies with the thread that started it, so this thread lives as long as the test run. While
# it works, the drivers go on sending.
_operator = ThreadPoolExecutor(1, "operator")


async def operate(function: Callable[..., Any], *args: Any) -> Any:
    """Start, stop or kill a service beside the running load."""
    return await asyncio.get_running_loop().run_in_executor(_operator, function, *args)


class System:
    """Two workers on one database and one Redis. An async context manager.

    With `proxied` the workers reach Redis and PostgreSQL through `redis_proxy` and
    `postgres_proxy`. `before` is called with the system when all but the workers are up. `settings`
    are further variables of the workers' environment.
    """

    def __init__(
        self,
        postgres: services.Postgres,
        *,
        proxied: bool = False,
        before: Callable[["System"], object] | None = None,
        **settings: str,
    ) -> None:
        self.postgres = postgres
        self.redis = services.Redis(services.find_redis())
        self.redis_proxy: Proxy
        self.postgres_proxy: Proxy
        self.workers: list[services.Uvicorn] = []
        self._proxied = proxied
        self._before = before
        self._settings = settings
        # The workers' default.
        self.keeps_history = settings.get("TRACKING_HISTORY", "all") == "all"
        self._stack = AsyncExitStack()

    @property
    def urls(self) -> list[str]:
        """Return the workers' URLs for clients."""
        return [worker.websocket_url for worker in self.workers]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await operate(self.redis.start)
            stack.push_async_callback(operate, self.redis.__exit__)
            redis_port, postgres_port = self.redis.port, self.postgres.port
            if self._proxied:
                self.redis_proxy = await stack.enter_async_context(Proxy(redis_port))
                self.postgres_proxy = await stack.enter_async_context(Proxy(postgres_port))
                redis_port, postgres_port = self.redis_proxy.port, self.postgres_proxy.port
            if self._before is not None:
                await operate(self._before, self)
            environment = services.environment(
                _with_port(self.postgres.url, postgres_port),
                f"redis://127.0.0.1:{redis_port}/0",
                **self._settings,
            )
            for number in (1, 2):
                worker = services.Uvicorn(environment, f"worker {number}")
                self.workers.append(worker)
                await operate(worker.start)
                stack.push_async_callback(operate, worker.__exit__)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def stored(self) -> dict[int, int]:
        """Return the number of each driver's last known location."""
        stored = await asyncio.to_thread(services.locations, self._database)
        return ledger.numbers(
            (driver_id, row.latitude, row.longitude) for driver_id, row in stored.items()
        )

    async def kept(self) -> dict[int, set[int]]:
        """Return the numbers of each driver's fixes in the history."""
        kept = await asyncio.to_thread(services.history, self._database)
        return ledger.all_numbers(
            (driver_id, fix.latitude, fix.longitude)
            for driver_id, fixes in kept.items()
            for fix in fixes
        )

    @property
    def _database(self) -> dict[str, str]:
        return {"DATABASE_URL": self.postgres.url}


def freeze(pid: int) -> None:
    """Freeze a process and its children with SIGSTOP, like an overloaded host."""
    for process in (pid, *_children(pid)):
        os.kill(process, signal.SIGSTOP)


def resume(pid: int) -> None:
    """Resume a process and its children after `freeze`."""
    for process in (*_children(pid), pid):
        os.kill(process, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:  # It has ended meanwhile.
            continue
        if int(parent) == pid:
            found.append(int(stat.parent.name))
    return found


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"postgres@127.0.0.1:{port}"))
