"""uvicorn's WebSocket protocol with a fast path for text, and limits on what a client may send.

uvicorn --ws tracking.contrib.uvicorn.websocket:WebSocketProtocol --ws-per-message-deflate false
"""

import email.utils
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    STATUS_PHRASES,
    WebSocketsSansIOProtocol,
)
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response

from tracking.contrib.uvicorn.tcp import set_tcp_option

# Unsent bytes per client in this process, and as many again in the kernel, before a send blocks. A
# phone that regains its connection first reads up to that much old data.
MAX_UNSENT: Final = 4096

# Bytes to parse before the application and other connections run again. uvloop reads up to 256 KB
# at a time: filled with the smallest frames, they take half a second to parse, and 2 KiB take 4 ms.
MAX_PARSED: Final = 2048

# Limits for frames that the application does not see (pings, pongs and fragments): how many a
# client may send at once, and how many per second on average. A client answers one ping every 20 s,
# and rarely has a reason to fragment a message.
UNSEEN_BURST: Final = 100
UNSEEN_PER_SECOND: Final = 10
TOO_MANY_REQUESTS: Final = 4429

# Seconds for which the server reads and ignores what a client sends after it broke the protocol.
# Then it closes the connection, or earlier if the client answers the close frame or disconnects.
LINGER: Final = 0.5
# A close frame: its first byte, the mask bit of its second byte, the maximum payload of a control
# frame, and the maximum size of the whole frame with its mask.
FIN_CLOSE: Final = 0x80 | Opcode.CLOSE
MASKED: Final = 0x80
MAX_CONTROL: Final = 125
MAX_CLOSE: Final = 2 + 4 + MAX_CONTROL


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Writes text frames directly to the transport, and frees the handshake once it is done.

    `scope["extensions"]` has two methods: `tracking.send_now` sends without a coroutine, and
    `tracking.is_lost` is for an application that has stopped reading. Frames to clients are not
    masked (RFC 6455 section 5.1), so without compression they are the same bytes for all clients:
    the first connection that sends an event stores them in the event, under the key `wire`, for the
    other connections. In the fan-out to one driver's 2,000 watchers, `send_now` reduced Python's
    share of the profile from 35 % to 23 %; most of the rest is the kernel's.

    `ready` combines all conditions for `send_now` in one attribute, which the processor's cache
    holds.
    """

    __slots__ = ("failed", "ready", "unparsed", "unseen", "unseen_at")

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.ready = self.failed = False
        self.unparsed = b""
        self.unseen = 0.0
        self.unseen_at = self.loop.time()
        transport.set_write_buffer_limits(high=MAX_UNSENT)
        set_tcp_option(transport, "TCP_NOTSENT_LOWAT", MAX_UNSENT)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: dict[Any, Any] = self.scope["extensions"]
            extensions["tracking.send_now"] = self.send_now
            extensions["tracking.is_lost"] = self.is_lost

    def send_now(self, event: Any) -> bool:
        """Send a text frame unless it would have to wait; return whether it was sent."""
        if not self.ready:
            return False
        wire = event.get("wire")
        if wire is None:
            wire = event["wire"] = serialize(event["text"])
        self.transport.write(wire)
        return True

    def is_lost(self) -> bool:
        """Return True once the connection has ended, even if the application has not read that."""
        return bool(self.disconnected or self.transport.is_closing())

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # uvicorn does not set it, and then logs a refused handshake as an error.
            self.handshake_complete = True
        self.update()
        if self.close_sent:
            self.parse()  # The client's close frame may already be among the unparsed bytes.

    def update(self) -> None:
        """Set `ready` to whether a frame can be sent now."""
        self.ready = (
            self.handshake_complete
            and self.writable.is_set()
            and not self.close_sent
            and not self.disconnected
            and not self.transport.is_closing()
            and not self.conn.extensions
        )

    def pause_writing(self) -> None:
        super().pause_writing()
        self.ready = False

    def resume_writing(self) -> None:
        super().resume_writing()
        self.update()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report 1006 to the application unless either side has sent a close frame.

        uvicorn reports 1005 after the handshake, which RFC 6455 section 7.1.5 reserves for a close
        frame without a code: a lost connection would look like an orderly close.
        """
        self.ready = False
        self.handshake_complete = False
        super().connection_lost(exc)  # sets it again

    def shutdown(self) -> None:
        self.ready = False
        super().shutdown()

    def handle_close(self, event: Frame) -> None:
        self.ready = False
        super().handle_close(event)

    def keepalive_timeout(self) -> None:
        self.ready = False
        super().keepalive_timeout()

    def data_received(self, data: bytes) -> None:
        if self.failed:
            self.unparsed = (self.unparsed + data)[-MAX_CLOSE:]
            if ends_with_close(self.unparsed):
                self.transport.close()
            return
        self.unparsed += data
        self.parse()

    def parse(self) -> None:
        """Parse received data piece by piece, until there is a message for the application."""
        while self.unparsed and not self.read_paused and not self.failed:
            piece, self.unparsed = self.unparsed[:MAX_PARSED], self.unparsed[MAX_PARSED:]
            super().data_received(piece)

    async def receive(self) -> Any:
        event = await self.queue.get()
        if self.read_paused and self.queue.empty():
            if self.unparsed:
                # Not at once: a client that sends much would keep the event loop from others.
                self.loop.call_soon(self.read_on)
            else:
                self.read_paused = False
                self.transport.resume_reading()
        return event

    def read_on(self) -> None:
        """Continue to parse, and then to read, if the application has received all messages."""
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.parse()
            if not self.read_paused and not self.transport.is_closing():
                self.transport.resume_reading()

    def handle_ping(self) -> None:
        self.count_unseen()
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        self.count_unseen()
        super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        self.count_unseen()
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Queue a complete message, or fail the connection with 1007 if text is not UTF-8.

        uvicorn logs an error for each such text.
        """
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            self.count_unseen()
        elif self.curr_msg_data_type == "bytes":
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA, "not UTF-8")
                self.handle_parser_exception()
        if not self.queue.empty() and not self.read_paused and not self.close_sent:
            self.read_paused = True
            self.transport.pause_reading()

    def count_unseen(self) -> None:
        """Count a frame that the application does not see; fail the connection after too many."""
        now = self.loop.time()
        forgotten = (now - self.unseen_at) * UNSEEN_PER_SECOND
        self.unseen = max(0.0, self.unseen - forgotten) + 1
        self.unseen_at = now
        if self.unseen > UNSEEN_BURST and not self.failed:
            self.conn.fail(TOO_MANY_REQUESTS, "too many frames")
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Fail a connection whose client broke the protocol, for example by too big a frame.

        uvicorn closes the transport while the rest of that frame is unread. The kernel then resets
        the connection, often before the client has read the close code.
        """
        self.ready = False
        self.failed = True
        self.unparsed = b""
        close = self.conn.close_sent
        code = close.code if close is not None else CloseCode.PROTOCOL_ERROR
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def send_500_response(self) -> None:
        """Respond to a handshake that the application has not answered when it or the server ends.

        If the application has started a response, send what there is of it. uvicorn drops it and
        closes the connection without a response.
        """
        if self.initial_response is None or self.handshake_complete:
            super().send_500_response()
            return
        status, fields, body = self.initial_response
        headers = Headers(fields)
        headers.setdefault("Date", email.utils.formatdate(usegmt=True))
        headers.setdefault("Connection", "close")
        headers.setdefault("Content-Length", str(len(body)))
        headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        self.conn.send_response(Response(status, STATUS_PHRASES[status], headers, body))
        self.initial_response = None
        self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))

    def start_keepalive(self) -> None:
        """Start to send pings, and free the parsed request and response, which uvicorn keeps."""
        super().start_keepalive()
        del self.request, self.response


def ends_with_close(data: bytes) -> bool:
    """Return whether `data` ends with a client's close frame (RFC 6455 section 5.5.1).

    After an invalid frame it is unknown where the next one begins, but a client sends nothing after
    it has answered our close frame.
    """
    return any(
        data[-6 - length] == FIN_CLOSE and data[-5 - length] == MASKED | length
        for length in range(min(MAX_CONTROL, len(data) - 6) + 1)
    )


def serialize(text: str) -> bytes:
    """Return the bytes of an unmasked text frame."""
    data = text.encode()
    if len(data) < 126:
        return bytes((0x80 | Opcode.TEXT, len(data))) + data
    return Frame(Opcode.TEXT, data).serialize(mask=False, extensions=[])
