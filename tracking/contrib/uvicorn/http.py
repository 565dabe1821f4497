"""uvicorn's HTTP protocol with limits on what a request may cost before it is answered.

uvicorn --http tracking.contrib.uvicorn.http:HttpProtocol
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11

from tracking.contrib.uvicorn.tcp import set_tcp_option

# Seconds that a request, its body included, may take to arrive: from connecting, or from its first
# byte on a connection that is kept alive. uvicorn's own limit is for the time between two requests.
REQUEST_TIMEOUT: Final = 10.0

# Bytes of a request line with its headers, cookies among them.
MAX_HEAD_SIZE: Final = 16 * 1024
# websockets parses the head of a handshake again, with a limit of 8 KiB a line: a browser with more
# cookies than that could open no WebSocket.
http11.MAX_LINE_LENGTH = MAX_HEAD_SIZE

# Bytes of a body, and of what frames it: sizes of chunks, trailers. Django stores all of a body, on
# disk in the end, before it calls a view.
MAX_BODY_SIZE: Final = 256 * 1024

# Bytes that are parsed between two checks of whether a response is due first. One read may contain
# thousands of requests of 18 bytes.
MAX_PARSED: Final = 1024

# Seconds for which a client may leave unread what it was sent, the same as uvicorn's limit for a
# pong. Then the kernel ends the connection, also one that is being closed, which would otherwise
# wait for the client without limit.
UNREAD_TIMEOUT: Final = 20.0


class HttpProtocol(HttpToolsProtocol):
    """Limits the time and the size of requests, WebSocket handshakes included.

    uvicorn sets no limit to either, and keeps in memory what has arrived.
    """

    # A subclass for larger uploads may have another.
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
        """Return whether a request has arrived completely and is not yet answered."""
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
        # Trailers, which come after the body, are not headers: a proxy ignores them, so that the
        # client could forge an address in one.
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
        """Answer 413 once the requests before this one are answered, without reading the body."""
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
        """Hand the connection over to the WebSocket protocol, once all before is answered.

        uvicorn does so at once: the answer to the handshake overtakes those before it, and the
        timer for connections that are kept alive closes the WebSocket after 5 s.
        """
        self.forget_request()
        self.unparsed = b""  # A client may send nothing before the answer to its handshake.
        self.upgrading = self.is_responding()
        if self.upgrading:
            self.flow.pause_reading()
            return
        self._unset_keepalive_if_required()
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, WebSocketsSansIOProtocol) and not protocol.handshake_initiated:
            # websockets refuses the head, for example for a line that is too long. It has an
            # answer ready, which uvicorn does not send, and uvicorn leaves the connection open.
            self.transport.write(b"".join(protocol.conn.data_to_send()))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget_request()
        super().connection_lost(exc)

    def expect_request(self) -> None:
        """Start the timer of a request, unless it runs."""
        if self.deadline is None:
            # Not close(), which waits until the client has read what it was sent before.
            self.deadline = self.loop.call_later(REQUEST_TIMEOUT, self.transport.abort)

    def forget_request(self) -> None:
        """Stop the timer: the request has arrived, or will not."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None
        self.head_size = 0
        self.in_head = True
