"""Threads with a database connection of their own, for work that event loops must not wait for."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError, connections, router
from django.db.models import Model
from django.db.models.expressions import RawSQL

Result = TypeVar("Result")

_ELEMENTS: Final = {
    "postgresql": "SELECT json_array_elements_text(%s)::bigint",
    "sqlite": "SELECT value FROM json_each(%s)",
}


def any_of(ids: list[int], model: type[Model]) -> RawSQL:
    """Return what `filter(pk__in=...)` takes for any number of ids, as one parameter.

    A parameter per id costs psycopg more to bind than PostgreSQL to answer (measured in a storm
    of 5,000 reconnects: 7.5 % of the worker's profile), and SQLite takes 32,766 of them.
    """
    vendor = connections[router.db_for_read(model)].vendor
    return RawSQL(_ELEMENTS[vendor], [json.dumps(ids)])  # noqa: S611 - one of two constants


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
