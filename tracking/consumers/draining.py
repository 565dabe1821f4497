"""Leaving without harm: a server that is told to stop sends its clients elsewhere first."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from tracking import metrics
from tracking.protocol import CloseCode
from tracking.runtime import get_runtime

Application = Callable[[Any, Any, Any], Awaitable[None]]

# Between two looks at whether those who were asked to leave are gone.
POLL_INTERVAL: Final = 0.05


async def drain(seconds: float, patience: float) -> bool:
    """Close every socket with 1012, evenly spread over `seconds`, and store what was taken.

    A driver's socket is closed once all that it sent is acknowledged. New sockets are refused from
    now on (`refusing_while_draining`) and readiness is false. Return whether all is stored; with
    the database away, that is given up `patience` seconds after the last socket was due.
    """
    runtime = get_runtime()
    runtime.draining = True
    loop = asyncio.get_running_loop()
    # In no order: those who came together must not come back together.
    leaving = random.sample(list(runtime.connections), len(runtime.connections))
    began = loop.time()
    for number, connection in enumerate(leaving):
        await asyncio.sleep(began + seconds * number / len(leaving) - loop.time())
        connection.leave(CloseCode.SERVICE_RESTART)
    # Those whose handshake was under way when it began.
    for connection in list(runtime.connections):
        connection.leave(CloseCode.SERVICE_RESTART)
    try:
        async with asyncio.timeout(patience):
            while len(runtime.connections):  # noqa: ASYNC110 - who leaves has no need to tell
                await asyncio.sleep(POLL_INTERVAL)
            await runtime.drain()
    except TimeoutError:
        return False
    return True


def refusing_while_draining(application: Application) -> Application:
    """Wrap the WebSocket routes: while draining, handshakes are answered with 503.

    A proxy then tries the next server within the same handshake, as nginx does with
    `proxy_next_upstream http_503`. A client without one comes back, as after any failed handshake.
    """

    async def route(scope: Any, receive: Any, send: Any) -> None:
        chosen = _refuse if get_runtime().draining else application
        await chosen(scope, receive, send)

    return route


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    await receive()  # websocket.connect
    # Before its path was looked at, which could be any.
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
