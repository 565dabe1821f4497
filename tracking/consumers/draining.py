"""Draining: before a server stops, it sends its clients to other servers."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from asgiref.sync import markcoroutinefunction

from tracking import metrics
from tracking.protocol import CloseCode
from tracking.runtime import get_runtime

logger = logging.getLogger(__name__)

Application = Callable[[Any, Any, Any], Awaitable[None]]

# Seconds between two checks for connections that are still open.
POLL_INTERVAL: Final = 0.05


async def drain(seconds: float, storage_timeout: float) -> bool:
    """Close all sockets with 1012, evenly spread over `seconds`, and store all accepted fixes.

    A driver's socket is closed once all its messages are acknowledged. New sockets are refused from
    now on (`refusing_while_draining`) and readiness is false.

    Return True if all sockets are closed and all fixes are stored. Return False if they are not,
    `storage_timeout` seconds after the last socket was due to be closed, as when the database is
    unavailable. Log what is not finished by then, slow receivers of signals included.
    """
    runtime = get_runtime()
    runtime.draining = True
    loop = asyncio.get_running_loop()
    # In random order: clients that connected together must not reconnect together.
    leaving = random.sample(list(runtime.connections), len(runtime.connections))
    began = loop.time()
    for number, connection in enumerate(leaving):
        await asyncio.sleep(began + seconds * number / len(leaving) - loop.time())
        connection.leave(CloseCode.SERVICE_RESTART)
    # Connections whose handshake was in progress when draining began.
    for connection in list(runtime.connections):
        connection.leave(CloseCode.SERVICE_RESTART)
    deadline = loop.time() + storage_timeout
    while (  # noqa: ASYNC110 - connections send no event
        len(runtime.connections) and loop.time() < deadline
    ):
        await asyncio.sleep(POLL_INTERVAL)
    open_ = len(runtime.connections)
    if open_:
        logger.error("Connections that were asked to close are still open: %d", open_)
    stored = await runtime.drain(max(0.0, deadline - loop.time()))
    return stored and not open_


def refusing_while_draining(application: Application) -> Application:
    """Wrap the WebSocket routes: while draining, answer handshakes with 503.

    A proxy then tries the next server within the same handshake, as nginx does with
    `proxy_next_upstream http_503`. Without a proxy, the client retries as after any failed
    handshake.
    """

    # Returns the application's coroutine: one of its own would stay in memory for as long as the
    # connection, 0.4 KiB each.
    @markcoroutinefunction
    def route(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        chosen = _refuse if get_runtime().draining else application
        return chosen(scope, receive, send)

    return route


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    await receive()  # websocket.connect
    # Not labelled by route, as the path was not checked yet and may be anything.
    metrics.refusals.add("handshake", "draining")
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    start = {
        "type": "websocket.http.response.start",
        "status": HTTPStatus.SERVICE_UNAVAILABLE,
        "headers": [(b"content-type", b"text/plain"), (b"retry-after", b"1")],
    }
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b"This server is restarting.\n"})
