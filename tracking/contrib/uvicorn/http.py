"""uvicorn's HTTP protocol with bounds on what a request may cost before anybody answers it."""

import asyncio
import socket
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11

# Seconds that a request, its body included, may take to arrive: from connecting, or from its first
# byte on a connection that is kept alive. uvicorn's own limit is for the time between two requests.
REQUEST_TIMEOUT: Final = 10.0

# Bytes of a request line with its headers, cookies among them.
MAX_HEAD_SIZE: Final = 16 * 1024
# websockets reads the head of a handshake once more, and allows 8 KiB a line: browsers with more
# cookies would see pages that never come to life.
http11.MAX_LINE_LENGTH = MAX_HEAD_SIZE

# Bytes of a body, and of what frames it: sizes of chunks, trailers. Django keeps all of a body, on
# disk in the end, before any view is asked.
MAX_BODY_SIZE: Final = 256 * 1024

# Bytes that are parsed before it is looked whether a response is due first. Requests of 18 bytes
# come in by the thousand in what is read at once.
MAX_PARSED: Final = 1024

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
    body_size = 0
    framing_size = 0
    in_head = True
    refused = False
    unparsed = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(UNREAD_TIMEOUT * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self.expect_request()

    def data_received(self, data: bytes) -> None:
        self.unparsed += data
        self.parse()

    def parse(self) -> None:
        """Parse what was read until a response is due, before which the next request waits."""
        while self.unparsed and not self.transport.is_closing():
            if self.is_responding():
                self.flow.pause_reading()
                return
            self.expect_request()
            piece, self.unparsed = self.unparsed[:MAX_PARSED], self.unparsed[MAX_PARSED:]
            body_size = self.body_size
            super().data_received(piece)
            if self.transport.get_protocol() is not self:
                return  # The rest was sent before the answer to the handshake.
            if self.deadline is not None and self.in_head:
                self.head_size += len(piece)
                if self.head_size > MAX_HEAD_SIZE:
                    self.transport.abort()
            elif self.deadline is not None:
                self.framing_size += len(piece) - max(self.body_size - body_size, 0)
                if self.framing_size > MAX_BODY_SIZE and not self.transport.is_closing():
                    self.refuse_body()

    def is_responding(self) -> bool:
        """Tell whether a request is here as a whole, and not yet answered."""
        cycle = self.cycle
        return bool(self.pipeline) or not (
            cycle is None or cycle.response_complete or cycle.more_body
        )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.refused and not self.transport.is_closing():
            self.hang_up()
        if self.unparsed and not self.transport.is_closing():
            self.loop.call_soon(self.parse)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.body_size = self.framing_size = 0
        self.expect_request()  # The next of those that were sent at once.

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers, which come after the body, are no headers: a proxy looks at none of them, and
        # an address in one would be the client's own word.
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_head = False
        for name, value in self.headers:
            if name == b"content-length" and (len(value) > 9 or int(value) > MAX_BODY_SIZE):
                self.refuse_body()
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.body_size += len(body)
        if self.refused or self.transport.is_closing():
            return
        if self.body_size > MAX_BODY_SIZE:
            self.refuse_body()
            return
        super().on_body(body)

    def refuse_body(self) -> None:
        """Answer 413, after those who asked before: the rest of the body need not come."""
        self.refused, self.unparsed = True, b""
        if self.is_responding():
            self.flow.pause_reading()
        else:
            self.hang_up()

    def hang_up(self) -> None:
        text = f"A body may have {MAX_BODY_SIZE} bytes.\n".encode()
        head = (
            b"HTTP/1.1 413 Content Too Large\r\ncontent-type: text/plain\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(text)
        )
        self.transport.write(head + text)
        self.transport.close()

    def on_message_complete(self) -> None:
        if not self.refused and not self.transport.is_closing():
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
