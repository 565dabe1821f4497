"""Threads with a database connection of their own, for work that event loops must not wait for."""

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

# After this long without an answer a connection is taken for lost. Longer than any statement here
# takes, and than a lock that somebody holds on purpose.
ANSWER_TIMEOUT: Final = 15.0
# Between two looks at whether that is so.
CHECK_INTERVAL: Final = 1.0
# How long closing waits for an answer.
CLOSE_TIMEOUT: Final = 2.0

_ELEMENTS: Final = {
    "postgresql": f"SELECT json_array_elements_text(%s)::{USER_IDS.sql_type}",
    "sqlite": f"SELECT {USER_IDS.sqlite_value} FROM json_each(%s)".format("value"),  # noqa: S608
}


class UnsupportedDatabaseError(ImproperlyConfigured):
    """The statements of this app are written for PostgreSQL and SQLite, and for nothing else."""


def supported(vendor: str) -> str:
    """Return a connection's vendor if locations can be stored there.

    Engines that are built on Django's own are of the same vendor. Django itself sees to it that the
    version is one that it supports, and each of these can do what is needed.
    """
    if vendor not in _ELEMENTS:
        raise UnsupportedDatabaseError(
            f"locations can be stored in PostgreSQL and in SQLite, not in {vendor!r}"
        )
    return vendor


def any_of(ids: Sequence[UserId], model: type[Model]) -> RawSQL:
    """Return what `filter(pk__in=...)` takes for any number of users' ids, as one parameter.

    A parameter per id costs psycopg more to bind than PostgreSQL to answer (measured in a storm
    of 5,000 reconnects: 7.5 % of the worker's profile), and SQLite takes 32,766 of them.
    """
    vendor = connections[router.db_for_read(model)].vendor
    return RawSQL(_ELEMENTS[supported(vendor)], [msgspec.json.encode(ids).decode()])  # noqa: S611 - one of two constants


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database cannot be used now, whatever it is asked; a new connection may.

    Beside lost connections that is a server which takes no writes: PostgreSQL's class 25, which
    Django calls an `InternalError`, holds "read-only transaction" of a primary that was demoted.
    """
    return isinstance(error, OperationalError | InterfaceError) or _takes_no_writes(error)


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of one of Django's errors, from either driver; empty without one."""
    cause = error.__cause__ if isinstance(error, Error) else None
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""


def is_locked(error: BaseException) -> bool:
    """Tell whether a statement of PostgreSQL gave up waiting for a lock."""
    return sqlstate(error) == "55P03"


def _takes_no_writes(error: BaseException) -> bool:
    return sqlstate(error).startswith("25")


def drop_read_only_connections(error: BaseException) -> None:
    """If `error` says that PostgreSQL takes no writes, use this thread's connections no more.

    A pool takes a connection to a primary that was demoted for a good one, as it answers, and
    would hand it out again until it is an hour old.
    """
    if not _takes_no_writes(error):
        return
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "postgresql" and connection.connection is not None:
            connection.connection.close()
            if not connection.in_atomic_block:  # whose end does the same
                connection.close()


class DatabaseThread:
    """Runs functions one after another in one thread, which keeps its connection open.

    Not `database_sync_to_async`: that shares its thread with all other synchronous code of the
    process, whose slow queries would delay every acknowledgement, and it returns its connection
    after each call.
    """

    def __init__(self, name: str, lock_wait: float | None = None) -> None:
        """`lock_wait` limits how long a statement waits for a lock, in seconds."""
        self._name = name
        self._lock_wait = lock_wait
        self._executor = self._new_executor()
        self._answers: set[asyncio.Future[Any]] = set()
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        # Taken by the thread before it may close a connection: whoever breaks one from outside must
        # not hit another socket that got its number.
        self._lock = Lock()
        self._connections: list[Any] = []
        self._thread: Thread | None = None
        self._waiting_since: float | None = None

    async def run(self, function: Callable[..., Result], *args: object) -> Result:
        """Return `function(*args)`; it must be safe to repeat, as a lost connection makes it be.

        A database that does not answer within `ANSWER_TIMEOUT` seconds is as good as away.
        """
        loop = asyncio.get_running_loop()
        executor = self._executor
        try:
            answer = loop.run_in_executor(executor, self._call, function, *args)
        except RuntimeError:  # It has ended, or there is no room for a thread.
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
        """Close the connection and end the thread, after what it is running unless that hangs.

        It hangs once it took `within` seconds more, by default `CLOSE_TIMEOUT`.
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
            logger.warning("The thread %s had ended before", self._name)
        self._executor.shutdown()

    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(
            max_workers=1, thread_name_prefix=self._name, initializer=self._begin
        )

    def _replace(self, executor: ThreadPoolExecutor) -> None:
        """Make another executor: one never has a second thread in place of one that ended."""
        if self._executor is executor and not self._closing:
            logger.error("The thread %s has ended, will start another", self._name)
            executor.shutdown(wait=False)
            self._thread = None
            self._executor = self._new_executor()

    def _begin(self) -> None:
        """In the thread: have connections from no pool, which are for giving them back.

        A pool would hand out those that broke in it one by one, and try to reconnect ever less.
        """
        self._thread = current_thread()
        self._connections = list(connections.all())
        for connection in self._connections:
            own = {**connection.settings_dict["OPTIONS"]}
            own.pop("pool", None)
            if connection.vendor == "postgresql":
                # Several statements at once go with client-side binding only, Django's default.
                own.pop("server_side_binding", None)
                connection.execute_wrappers.append(self._limit_lock_wait)
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": own}

    def _limit_lock_wait(
        self, execute: Callable[..., Any], sql: str, params: Any, many: Any, context: dict[str, Any]
    ) -> Any:
        """Have PostgreSQL give up its wait for a lock by the time that we do.

        It does not notice that we hung up before it has the lock, so that each try would leave one
        more process behind, until there are no connections to be had. Not `statement_timeout`,
        which ends a commit's wait for a synchronous standby too, and calls that a success.

        For this transaction alone: behind a PgBouncer in transaction mode the session is not ours.
        In the same message, so that it costs no round trip (12 µs, of 300 for a batch of one fix).
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
            # A connection that broke while it lay idle shows only when used, one to a primary that
            # was demoted shows when it is written to, and a deadlock's victim is told to try again:
            # a second try on a new connection decides.
            connections.close_all()
            with self._waiting():
                return function(*args)
        except BaseException as error:
            # In the event loop a CancelledError would end whoever waits, SystemExit the worker.
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
        """In the event loop: see whether the thread waits in vain."""
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
            logger.error("The database does not answer, will try a new connection")
            self._disconnect()
        self._timer = asyncio.get_running_loop().call_later(CHECK_INTERVAL, self._check)

    def _disconnect(self) -> None:
        """End what the thread waits for with an error."""
        with self._lock:
            if self._waiting_since is not None:
                for connection in self._connections:
                    _shut_down(connection.connection)


def _shut_down(connection: Any) -> None:
    """End a connection's socket, if it has one, so that who waits for it gets an error.

    No timeout of the kernel would: of a server that hangs, or a proxy whose other side is gone, it
    gets all the acknowledgements that it wants.
    """
    if not hasattr(connection, "fileno"):
        return
    with suppress(Exception):  # each driver has errors of its own for what is closed already
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        finally:
            duplicate.close()
