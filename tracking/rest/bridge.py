"""From the thread of a synchronous view to the event loop that serves it."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from django.db import connections, transaction

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
View = TypeVar("View", bound=Callable[..., Any])


def give_back_connections() -> None:
    """Give the thread's connections, except those in a transaction, back to their pools."""
    for connection in connections.all(initialized_only=True):
        # Closing takes a transaction for a connection that somebody left in a mess, and ends it.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def call_async(
    function: Callable[Arguments, Coroutine[Any, Any, Result]],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Return what the coroutine function returns. Without an ASGI server, a loop is made for it."""
    # What the view waits for may need a connection, and as many views as the pool has would all
    # wait until the pool gives up.
    give_back_connections()
    return async_to_sync(function)(*args, **kwargs)


def outside_transactions(view: View) -> View:
    """Return `view`, which `ATOMIC_REQUESTS` is not for: it waits for `call_async`.

    In a transaction its connection could not be given back meanwhile. With SQLite the transaction
    would hold the write lock that the pipeline waits for. Works for any database: the host may have
    routed locations to one of its own.
    """
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view
