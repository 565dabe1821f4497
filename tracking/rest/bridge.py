"""From the thread of a synchronous view to the event loop that serves it."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from django.db import close_old_connections

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def call_async(
    function: Callable[Arguments, Coroutine[Any, Any, Result]],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Return what the coroutine function returns. Without an ASGI server, a loop is made for it."""
    # The view's connection goes back to the pool meanwhile. What the view waits for may need one,
    # and as many views as the pool has connections would all wait until the pool gives up.
    close_old_connections()
    return async_to_sync(function)(*args, **kwargs)
