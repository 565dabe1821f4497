"""Threads with their own database connection, for queries that must not block the event loop."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Lock, Thread, current_thread
from time import monotonic
from typing import Any, Final, TypeVar

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, InterfaceError, OperationalError, connections, router
from django.db.models import Model
from django.db.models.expressions import RawSQL

from tracking.ids import UserId
from tracking.people import USER_IDS
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

Result = TypeVar("Result")

# Seconds without an answer after which a connection counts as lost. Longer than any statement here
# takes, and than a lock is normally held.
ANSWER_TIMEOUT: Final = 15.0
# Seconds between two checks of that.
CHECK_INTERVAL: Final = 1.0
# Seconds that `close` waits for a running function.
CLOSE_TIMEOUT: Final = 2.0

_ELEMENTS: Final = {
    "postgresql": f"SELECT json_array_elements_text(%s)::{USER_IDS.sql_type}",
    "sqlite": f"SELECT {USER_IDS.sqlite_value} FROM json_each(%s)".format("value"),  # noqa: S608
}


class UnsupportedDatabaseError(ImproperlyConfigured):
    """The database is neither PostgreSQL nor SQLite, for which alone there are statements."""


def supported(vendor: str) -> str:
    """Return `vendor` if locations can be stored there; raise `UnsupportedDatabaseError`.

    Engines that are built on Django's own have the same vendor. Django checks that it supports the
    server's version, and every such version has the features that are needed.
    """
    if vendor not in _ELEMENTS:
        raise UnsupportedDatabaseError(
            f"locations can be stored in PostgreSQL and in SQLite, not in {vendor!r}"
        )
    return vendor


def any_of(ids: Sequence[UserId], model: type[Model]) -> RawSQL:
    """Return the argument of `filter(pk__in=...)` for any number of users' ids, as one parameter.

    A parameter per id costs psycopg more to bind than PostgreSQL to answer (measured in a storm
    of 5,000 reconnects: 7.5 % of the worker's profile), and SQLite accepts at most 32,766.
    """
    vendor = connections[router.db_for_read(model)].vendor
    return RawSQL(_ELEMENTS[supported(vendor)], [msgspec.json.encode(ids).decode()])  # noqa: S611 - one of two constants


def is_unavailable(error: BaseException) -> bool:
    """Return True if the database is unavailable for any statement; a new connection may help.

    Apart from lost connections this includes a server that accepts no writes: PostgreSQL's class
    25, which Django raises as `InternalError`, contains "read-only transaction" of a demoted
    primary.
    """
    return isinstance(error, OperationalError | InterfaceError) or _takes_no_writes(error)


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of one of Django's errors, with either driver; empty without one."""
    cause = error.__cause__ if isinstance(error, Error) else None
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""


def is_locked(error: BaseException) -> bool:
    """Return True if a statement of PostgreSQL timed out waiting for a lock."""
    return sqlstate(error) == "55P03"


def _takes_no_writes(error: BaseException) -> bool:
    return sqlstate(error).startswith("25")


def drop_read_only_connections(error: BaseException) -> None:
    """Close this thread's connections if `error` says that PostgreSQL accepts no writes.

    A connection to a demoted primary still answers, so a pool considers it good, and would hand it
    out again until it is an hour old.
    """
    if not _takes_no_writes(error):
        return
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "postgresql" and connection.connection is not None:
            connection.connection.close()
            if not connection.in_atomic_block:  # its end closes it as well
                connection.close()


class DatabaseThread:
    """Runs functions one after another in one thread, which keeps its connection open.

    Not `database_sync_to_async`: that shares its thread with all other synchronous code of the
    process, whose slow queries would delay every acknowledgement, and it returns its connection
    after each call.
    """

    def __init__(self, name: str, lock_wait: float | None = None) -> None:
        """Let each statement wait at most `lock_wait` seconds for a lock."""
        self._name = name
        self._lock_wait = lock_wait
        self._executor = self._new_executor()
        self._answers: set[asyncio.Future[Any]] = set()
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        # Held while connections may be closed: shutting one down from another thread must not hit
        # a new socket with the same file descriptor.
        self._lock = Lock()
        self._connections: list[Any] = []
        self._thread: Thread | None = None
        self._waiting_since: float | None = None

    async def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Return `function(*args)`, which must be safe to repeat: a lost connection repeats it.

        A database that does not answer within `ANSWER_TIMEOUT` counts as unavailable.
        """
        loop = asyncio.get_running_loop()
        executor = self._executor
        try:
            answer = loop.run_in_executor(executor, self._call, function, *args)
        except RuntimeError:  # It has ended, or no thread can be started.
            self._replace(executor)
            raise
        if self._timer is None:
            self._timer = loop.call_later(CHECK_INTERVAL, self._check)
        self._answers.add(answer)
        try:
            return await answer
        except BrokenExecutor:
            self._replace(executor)
            raise
        finally:
            self._answers.discard(answer)

    def close(self, within: float | None = None) -> None:
        """Close the connection and end the thread, after the running function.

        A function that runs for `within` more seconds, by default `CLOSE_TIMEOUT`, is interrupted.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._closing = True
        try:
            closing = self._executor.submit(connections.close_all)
            closing.result(CLOSE_TIMEOUT if within is None else within)
        except TimeoutError:
            self._disconnect()
        except RuntimeError:
            logger.warning("The thread %s had already ended", self._name)
        self._executor.shutdown()

    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(
            max_workers=1, thread_name_prefix=self._name, initializer=self._begin
        )

    def _replace(self, executor: ThreadPoolExecutor) -> None:
        """Make another executor, as an executor never replaces a thread that ended."""
        if self._executor is executor and not self._closing:
            logger.error("The thread %s has ended, starting another", self._name)
            executor.shutdown(wait=False)
            self._thread = None
            self._executor = self._new_executor()

    def _begin(self) -> None:
        """Configure this thread's connections; runs in the thread. Pools are disabled.

        A pool is for connections that are returned. It would hand out its broken connections one
        by one, and reconnect less and less often.
        """
        self._thread = current_thread()
        self._connections = list(connections.all())
        for connection in self._connections:
            own = {**connection.settings_dict["OPTIONS"]}
            own.pop("pool", None)
            if connection.vendor == "postgresql":
                # Several statements in one query need client-side binding, Django's default.
                own.pop("server_side_binding", None)
                connection.execute_wrappers.append(self._limit_lock_wait)
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": own}

    def _limit_lock_wait(
        self, execute: Callable[..., Any], sql: str, params: Any, many: Any, context: dict[str, Any]
    ) -> Any:
        """Make PostgreSQL stop waiting for a lock when this thread does.

        PostgreSQL does not notice a closed connection before it has the lock, so each retry would
        leave one more process behind, until no connections are left. `statement_timeout` is not
        used, as it also ends a commit's wait for a synchronous standby, and reports success.

        The limit is set for this transaction alone, as PgBouncer in transaction mode shares the
        session, and in the same message, so that it costs no round trip (12 µs, of 300 for a batch
        of one fix).
        """
        if many:
            return execute(sql, params, many, context)
        seconds = (
            ANSWER_TIMEOUT if self._lock_wait is None else min(self._lock_wait, ANSWER_TIMEOUT)
        )
        limit = f"SET LOCAL lock_timeout = {int(seconds * 1000)}; "
        result = execute(limit + sql, params, many, context)
        if (
            context["connection"].Database.__name__ == "psycopg"
        ):  # psycopg2 gives the last by itself
            context["cursor"].nextset()
        return result

    def _call(self, function: Callable[..., Result], *args: object) -> Result:
        try:
            with self._waiting():
                return function(*args)
        except Exception as error:
            if self._closing or not is_unavailable(error) or is_locked(error):
                raise
            # A connection that broke while idle fails only when it is used, one to a demoted
            # primary only when it is written to, and the victim of a deadlock should retry: the
            # result of a second try on a new connection counts.
            connections.close_all()
            with self._waiting():
                return function(*args)
        except BaseException as error:
            # In the event loop a CancelledError would end the waiting task, SystemExit the worker.
            raise RuntimeError(f"{type(error).__name__} in {self._name}") from error

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        with self._lock:
            self._waiting_since = monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._waiting_since = None

    def _check(self) -> None:
        """Detect a thread that has died or waits too long; runs in the event loop."""
        self._timer = None
        if not self._answers:
            return
        if self._thread is not None and not self._thread.is_alive():
            self._replace(self._executor)
            for answer in self._answers:
                if not answer.done():
                    answer.set_exception(BrokenExecutor(f"the thread {self._name} has died"))
            return
        since = self._waiting_since
        if since is not None and monotonic() - since >= ANSWER_TIMEOUT:
            logger.error("The database does not answer, trying a new connection")
            self._disconnect()
        self._timer = asyncio.get_running_loop().call_later(CHECK_INTERVAL, self._check)

    def _disconnect(self) -> None:
        """Make the statement that the thread waits for fail."""
        with self._lock:
            if self._waiting_since is not None:
                for connection in self._connections:
                    _shut_down(connection.connection)


def _shut_down(connection: Any) -> None:
    """Shut down a connection's socket, if it has one, so that a waiting thread gets an error.

    Timeouts of the kernel do not help: a server that hangs, or a proxy whose server is unavailable,
    still acknowledges all packets.
    """
    if not hasattr(connection, "fileno"):
        return
    with suppress(Exception):  # each driver has errors of its own for a closed connection
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        finally:
            duplicate.close()
