"""Calling coroutine functions on the server's event loop from the thread of a synchronous view."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from django.db import connections, transaction

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
View = TypeVar("View", bound=Callable[..., Any])


def give_back_connections() -> None:
    """Return this thread's database connections to their pools, except those in a transaction."""
    for connection in connections.all(initialized_only=True):
        # close_if_unusable_or_obsolete() would take a transaction for autocommit that was left off,
        # and close its connection.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def call_async(
    function: Callable[Arguments, Coroutine[Any, Any, Result]],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Return the result of a coroutine function, called on the event loop that serves the view.

    Without an ASGI server, it is called on a loop that exists only for this call.
    """
    # The coroutine may need a connection. If waiting views held all connections of the pool, all of
    # them would wait until the pool times out.
    give_back_connections()
    return async_to_sync(function)(*args, **kwargs)


def outside_transactions(view: View) -> View:
    """Return `view`, exempted from `ATOMIC_REQUESTS` because it waits for `call_async`.

    In a transaction, its connection could not be returned to the pool meanwhile, and with SQLite
    the transaction would hold the write lock that the pipeline waits for. The exemption is for all
    databases, because a router of the host may store locations in any of them.
    """
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view
