"""uvicorn's HTTP protocol with bounds on what a request may cost before anybody answers it."""

import asyncio
import socket
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# Seconds that a request, its body included, may take to arrive: from connecting, or from its first
# byte on a connection that is kept alive. uvicorn's own limit is for the time between two requests.
REQUEST_TIMEOUT: Final = 10.0

# Bytes of a request line with its headers. websockets allows 8 KiB a line.
MAX_HEAD_SIZE: Final = 64 * 1024

# Seconds for which a client may leave unread what it was sent, as long as uvicorn waits for a pong.
# Then the kernel breaks the connection, also one that is being closed, which otherwise waits for
# ever to be read.
UNREAD_TIMEOUT: Final = 20.0


class HttpProtocol(HttpToolsProtocol):
    """Cuts off who is slow to say what they want, or says too much; WebSocket handshakes included.

    uvicorn waits for ever, and keeps what came.
    """

    deadline: asyncio.TimerHandle | None = None
    head_size = 0
    in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(UNREAD_TIMEOUT * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self.expect_request()

    def data_received(self, data: bytes) -> None:
        self.expect_request()
        super().data_received(data)
        if self.deadline is not None and self.in_head:
            self.head_size += len(data)
            if self.head_size > MAX_HEAD_SIZE:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.expect_request()  # The next of those that were sent at once.

    def on_headers_complete(self) -> None:
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.forget_request()

    def handle_websocket_upgrade(self) -> None:
        self.forget_request()
        super().handle_websocket_upgrade()
        protocol = cast("WebSocketsSansIOProtocol", self.transport.get_protocol())
        if not protocol.handshake_initiated:
            # The head is none that websockets accepts, a line too long for example. It has an
            # answer ready, which uvicorn leaves unsent, and the connection open.
            self.transport.write(b"".join(protocol.conn.data_to_send()))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget_request()
        super().connection_lost(exc)

    def expect_request(self) -> None:
        """Start the clock, unless it runs."""
        if self.deadline is None:
            # Not close(), which waits for the client to read what it was sent before.
            self.deadline = self.loop.call_later(REQUEST_TIMEOUT, self.transport.abort)

    def forget_request(self) -> None:
        """Stop the clock: the request is here, or it will not come."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None
        self.head_size = 0
        self.in_head = True
