"""uvicorn's configuration, with defaults for many long-lived WebSockets and a drain function."""

import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn
from uvicorn.importer import import_from_string

from tracking.conf import conf

# Closes all connections, spread over the seconds of the first argument, then waits until everything
# received is stored, up to the seconds of the second one. Returns True if all is closed and stored.
Drain = Callable[[float, float], Awaitable[bool]]

HAS_HTTPTOOLS: Final = importlib.util.find_spec("httptools") is not None


class Config(uvicorn.Config):
    """uvicorn's configuration with the defaults of `defaults()`, and one more option, `drain`.

    `drain` is the import string of a `Drain` function, such as "yourproject.asgi:drain", which a
    worker calls before it stops. It is imported after the application.
    """

    def __init__(self, app: str, *, drain: str, **options: Any) -> None:
        super().__init__(app, **{**defaults(), **options})
        self.drain = drain

    def load(self) -> None:
        super().load()
        self.loaded_drain: Drain = import_from_string(self.drain)


def defaults() -> dict[str, Any]:
    """Return the options whose defaults differ from uvicorn's."""
    return {
        # On one core, a bare echo server answers 57,600 messages/s with this protocol and 27,300
        # with uvicorn's own.
        "ws": "tracking.contrib.uvicorn.websocket:WebSocketProtocol",
        # Without httptools, requests have no limits of time and size: use a proxy that sets them.
        "http": "tracking.contrib.uvicorn.http:HttpProtocol" if HAS_HTTPTOOLS else "h11",
        # Compressing 60 bytes saves nothing, costs memory, and prevents sharing encoded frames.
        "ws_per_message_deflate": False,
        "ws_max_size": conf.MAX_MESSAGE_SIZE,
        # After a restart, thousands of clients reconnect at once.
        "backlog": 8192,
        # A new worker needs longer than uvicorn's 5 s to start on a busy machine.
        "timeout_worker_healthcheck": 15,
        "lifespan": "on",
        # By default, uvicorn trusts X-Forwarded-For from every client on 127.0.0.1.
        "proxy_headers": False,
        # It would log query strings, which may contain secrets.
        "access_log": False,
    }
