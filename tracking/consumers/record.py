"""The record of a connection, which is logged in one line when the connection ends.

Polls are connections too, whose lines have the level DEBUG.
"""

import logging
import secrets
import time
from typing import Any, Final

from tracking import metrics
from tracking.protocol import CloseCode

logger = logging.getLogger(__name__)

# The reasons for the end of a connection that the server did not close.
LEFT: Final = "client_left"
LOST: Final = "connection_lost"
# Normal closure, going away (the page was left), and a close frame without a code.
LEAVING_CODES: Final = frozenset((1000, 1001, 1005))
# Codes that have a counter of their own. Clients may send 3,000 others, and Prometheus keeps every
# value of a label.
COUNTED_CODES: Final = LEAVING_CODES | {1002, 1003, 1006, 1007, 1008, 1010} | frozenset(CloseCode)


class ConnectionRecord:
    """One connection: its id, its duration, its numbers of messages, and the reason for its end.

    It holds no token, no location and no address.
    """

    __slots__ = ("_code", "_level", "_opened_at", "_reason", "id", "route")

    def __init__(self, route: str, *, is_poll: bool = False) -> None:
        self.id = secrets.token_hex(6)
        self.route = route
        # A client without WebSockets polls every 5 s: a line for each poll would hide all others.
        self._level = logging.DEBUG if is_poll else logging.INFO
        self._opened_at = time.monotonic()
        self._code: int | None = None
        self._reason = ""
        metrics.connections_opened.add(route)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return headers for the handshake's answer, with the connection's id."""
        return [(b"x-connection-id", self.id.encode())]

    def close(self, code: int, reason: str) -> None:
        """Record that the server closes the connection; of several reasons the first counts."""
        if self._code is None:
            self._code, self._reason = int(code), reason

    def end(self, code: int | None, **facts: Any) -> None:
        """Log the end. `code` is the received close code, if any; `facts` are logged as well."""
        if self._code is None:
            self._code = code or 1006
            self._reason = LEFT if self._code in LEAVING_CODES else LOST
        counted = str(self._code) if self._code in COUNTED_CODES else "other"
        metrics.connections_ended.add(self.route, counted)
        logger.log(
            self._level,
            "Connection ended",
            extra={
                "connection": self.id,
                "route": self.route,
                "reason": self._reason,
                "code": self._code,
                "seconds": round(time.monotonic() - self._opened_at, 1),
                **facts,
            },
        )
