"""uvicorn's configuration for many WebSockets that survive restarts of the server."""

import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn
from uvicorn.importer import import_from_string

from tracking.conf import conf

# Ends all connections, spread over the first number of seconds, and returns whether all that they
# sent is stored; the second number is how many more seconds that may take.
Drain = Callable[[float, float], Awaitable[bool]]

HAS_HTTPTOOLS: Final = importlib.util.find_spec("httptools") is not None


class Config(uvicorn.Config):
    """What uvicorn takes, with other defaults, and `drain`.

    `drain` is where to import the function from that a worker calls when it is told to stop, such
    as "yourproject.asgi:drain". It is imported after the application.
    """

    def __init__(self, app: str, *, drain: str, **options: Any) -> None:
        super().__init__(app, **{**defaults(), **options})
        self.drain = drain

    def load(self) -> None:
        super().load()
        self.loaded_drain: Drain = import_from_string(self.drain)


def defaults() -> dict[str, Any]:
    """Return the options that are not uvicorn's own."""
    return {
        # A bare echo on one core answers 57,600 messages/s with this protocol and 27,300 with
        # uvicorn's others.
        "ws": "tracking.contrib.uvicorn.websocket:WebSocketProtocol",
        # Without httptools, requests have no limits of time and size: use a proxy that has.
        "http": "tracking.contrib.uvicorn.http:HttpProtocol" if HAS_HTTPTOOLS else "h11",
        # Compressing 60 bytes saves nothing, costs memory, and rules out shared frames.
        "ws_per_message_deflate": False,
        "ws_max_size": conf.MAX_MESSAGE_SIZE,
        # Thousands come back at once after a restart.
        "backlog": 8192,
        # A new worker needs longer than uvicorn's 5 s to start on a busy machine.
        "timeout_worker_healthcheck": 15,
        "lifespan": "on",
        # uvicorn believes X-Forwarded-For of every client on 127.0.0.1.
        "proxy_headers": False,
        # Paths with query strings, which may contain secrets.
        "access_log": False,
    }
