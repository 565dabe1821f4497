"""Threads with a database connection of their own, for work that event loops must not wait for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections

Result = TypeVar("Result")


class DatabaseThread:
    """Runs functions one after another in one thread, which keeps its connection open.

    Not `database_sync_to_async`: that shares its thread with all other synchronous code of the
    process, whose slow queries would delay every acknowledgement, and it returns its connection
    after each call.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Return `function(*args)`; it must be safe to repeat, as a lost connection makes it be."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._call, function, *args)

    @staticmethod
    def _call(function: Callable[..., Result], *args: object) -> Result:
        try:
            return function(*args)
        except (OperationalError, InterfaceError):
            # A connection that broke while it lay idle shows only when used, and a deadlock's
            # victim is told to try again: a second try on a new connection decides.
            connections.close_all()
            return function(*args)

    def close(self) -> None:
        """Close the connection and end the thread, after what it is running."""
        self._executor.submit(connections.close_all)
        self._executor.shutdown()
