"""uvicorn's HTTP protocol with limits on the time and size of requests.

uvicorn --http tracking.contrib.uvicorn.http:HttpProtocol
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11

from tracking.contrib.uvicorn.tcp import set_tcp_option

# Seconds that a request, including its body, may take to arrive. They start when the client
# connects, or with the first byte on a connection that is kept alive. uvicorn's own timeout limits
# only the time between two requests.
REQUEST_TIMEOUT: Final = 10.0

# Bytes of the request line and the headers, including cookies.
MAX_HEAD_SIZE: Final = 16 * 1024
# websockets parses the head of a handshake again, with a limit of 8 KiB per line: a browser with
# more cookies than that could not open a WebSocket.
http11.MAX_LINE_LENGTH = MAX_HEAD_SIZE

# Bytes of a body, and separately of its framing (chunk sizes, trailers). Django stores the whole
# body, in the end on disk, before it calls a view.
MAX_BODY_SIZE: Final = 256 * 1024

# Bytes to parse between two checks of whether a response must be sent first. One read may contain
# thousands of pipelined requests of 18 bytes.
MAX_PARSED: Final = 1024

# Seconds for which a client may leave sent data unread, equal to uvicorn's timeout for a pong. Then
# the kernel ends the connection. This includes connections that are being closed, which would
# otherwise wait for the client without limit.
UNREAD_TIMEOUT: Final = 20.0


class HttpProtocol(HttpToolsProtocol):
    """Limits the time and the size of requests, including WebSocket handshakes.

    uvicorn limits neither, and keeps in memory what has arrived.
    """

    # A subclass may allow larger uploads.
    max_body_size = MAX_BODY_SIZE

    deadline: asyncio.TimerHandle | None = None
    head_size = 0
    body_size = 0
    framing_size = 0
    in_head = True
    refused = False
    upgrading = False
    unparsed = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        set_tcp_option(transport, "TCP_USER_TIMEOUT", int(UNREAD_TIMEOUT * 1000))  # milliseconds
        self.expect_request()

    def data_received(self, data: bytes) -> None:
        self.unparsed += data
        self.parse()

    def parse(self) -> None:
        """Parse received data, and pause while a request is unanswered."""
        while self.unparsed and not self.transport.is_closing():
            if self.is_responding():
                self.flow.pause_reading()
                return
            self.expect_request()
            piece, self.unparsed = self.unparsed[:MAX_PARSED], self.unparsed[MAX_PARSED:]
            body_size = self.body_size
            super().data_received(piece)
            if self.transport.get_protocol() is not self:
                return
            if self.deadline is not None and self.in_head:
                self.head_size += len(piece)
                if self.head_size > MAX_HEAD_SIZE:
                    self.transport.abort()
            elif self.deadline is not None:
                self.framing_size += len(piece) - max(self.body_size - body_size, 0)
                if self.framing_size > self.max_body_size and not self.transport.is_closing():
                    self.refuse_body()

    def is_responding(self) -> bool:
        """Return whether a complete request is unanswered."""
        cycle = self.cycle
        return bool(self.pipeline) or not (
            cycle is None or cycle.response_complete or cycle.more_body
        )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.refused and not self.transport.is_closing():
            self.hang_up()
        if self.upgrading and not self.transport.is_closing() and not self.is_responding():
            self.handle_websocket_upgrade()
        if self.unparsed and not self.transport.is_closing():
            self.loop.call_soon(self.parse)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.body_size = self.framing_size = 0
        self.expect_request()  # Several requests may arrive in one read.

    def on_header(self, name: bytes, value: bytes) -> None:
        # Ignore trailers, which follow the body. Proxies do not check them, so a client could forge
        # its address by an X-Forwarded-For trailer.
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_head = False
        for name, value in self.headers:
            if name == b"content-length" and (len(value) > 9 or int(value) > self.max_body_size):
                self.refuse_body()
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.body_size += len(body)
        if self.refused or self.transport.is_closing():
            return
        if self.body_size > self.max_body_size:
            self.refuse_body()
            return
        super().on_body(body)

    def refuse_body(self) -> None:
        """Respond with 413 without reading the body, once all earlier requests are answered."""
        self.refused, self.unparsed = True, b""
        if self.is_responding():
            self.flow.pause_reading()
        else:
            self.hang_up()

    def hang_up(self) -> None:
        text = f"A body may have {self.max_body_size} bytes.\n".encode()
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
        """Switch to the WebSocket protocol, once all earlier requests are answered.

        uvicorn switches at once: the response to the handshake overtakes earlier ones, and the
        keep-alive timer closes the WebSocket after 5 s.
        """
        self.forget_request()
        self.unparsed = b""  # Clients must not send anything before the handshake is answered.
        self.upgrading = self.is_responding()
        if self.upgrading:
            self.flow.pause_reading()
            return
        self._unset_keepalive_if_required()
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, WebSocketsSansIOProtocol) and not protocol.handshake_initiated:
            # websockets refused the head, for example for a line that is too long. uvicorn neither
            # sends the response that websockets prepared nor closes the connection.
            self.transport.write(b"".join(protocol.conn.data_to_send()))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget_request()
        super().connection_lost(exc)

    def expect_request(self) -> None:
        """Start the timer of a request unless it is running."""
        if self.deadline is None:
            # abort, because close() waits until the client has read everything sent before.
            self.deadline = self.loop.call_later(REQUEST_TIMEOUT, self.transport.abort)

    def forget_request(self) -> None:
        """Cancel the timer, because the request has arrived or will not, and reset the counts."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None
        self.head_size = 0
        self.in_head = True
