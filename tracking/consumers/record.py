"""What is kept of a connection while it lasts, and logged in one line when it ends."""

import logging
import secrets
import time
from typing import Any, Final

from tracking import metrics
from tracking.protocol import CloseCode

logger = logging.getLogger(__name__)

# Why a connection ended that this side did not close.
LEFT: Final = "client_left"
LOST: Final = "connection_lost"
# Normal, going away (a page that was left), and a close frame without a code.
LEAVING_CODES: Final = frozenset((1000, 1001, 1005))
# Codes that are counted each by itself. Clients may send 3,000 others, and Prometheus keeps every
# value of a label.
COUNTED_CODES: Final = LEAVING_CODES | {1002, 1003, 1006, 1007, 1008, 1010} | frozenset(CloseCode)


class ConnectionRecord:
    """One connection: its id, how long it lasted, how much went each way, and why it ended.

    Never a token, a location or an address.
    """

    __slots__ = ("_code", "_opened_at", "_reason", "id", "route")

    def __init__(self, route: str) -> None:
        self.id = secrets.token_hex(6)
        self.route = route
        self._opened_at = time.monotonic()
        self._code: int | None = None
        self._reason = ""
        metrics.connections_opened.add(route)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the handshake's answer says, so that a client can quote the connection's id."""
        return [(b"x-connection-id", self.id.encode())]

    def close(self, code: int, reason: str) -> None:
        """This side closes the connection; the first reason is the one that counts."""
        if self._code is None:
            self._code, self._reason = int(code), reason

    def end(self, code: int | None, **facts: Any) -> None:
        """Log the end. `code` is the close code that came, if any; `facts` are logged with it."""
        if self._code is None:
            self._code = code or 1006
            self._reason = LEFT if self._code in LEAVING_CODES else LOST
        counted = str(self._code) if self._code in COUNTED_CODES else "other"
        metrics.connections_ended.add(self.route, counted)
        logger.info(
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
