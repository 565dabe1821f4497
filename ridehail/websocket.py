"""uvicorn's WebSocket protocol with a fast path for what this project sends most."""

import socket
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

# Bytes for one client that may wait here, and as many again in the kernel, before sends block and
# only the newest location waits. A phone that comes back reads up to that much of the past first.
MAX_UNSENT: Final = 4096

# Seconds for which a client that broke the protocol is read, and ignored, before it is cut off.
LINGER: Final = 0.5


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Sends text frames straight to the transport, and forgets the handshake once it is done.

    `send_now`, which `tracking.outbox` finds in the scope's extensions, is a send without a
    coroutine. Frames to clients are not masked (RFC 6455 section 5.1), so without compression they
    are the same bytes for everybody: the first connection to send an event leaves them in it, under
    the key `wire`, for the others. In the fan-out to one driver's 2,000 watchers, `send_now` took
    Python's share of the profile from 35 % to 23 %; most of the rest is the kernel's.

    `ready` sums up the state that allows it, in one place that the processor's cache holds.
    """

    __slots__ = ("ready",)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.ready = False
        transport.set_write_buffer_limits(high=MAX_UNSENT)
        connection = transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: dict[Any, Any] = self.scope["extensions"]
            extensions["ridehail.send_now"] = self.send_now

    def send_now(self, event: Any) -> bool:
        """Send a text frame unless it would have to wait; tell whether it was sent."""
        if not self.ready:
            return False
        wire = event.get("wire")
        if wire is None:
            wire = event["wire"] = serialize(event["text"])
        self.transport.write(wire)
        return True

    async def send(self, message: Any) -> None:
        await super().send(message)
        self.update()

    def update(self) -> None:
        """Find out whether a frame could be sent now."""
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
        self.ready = False
        super().connection_lost(exc)

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
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """What uvicorn calls when a client breaks the protocol, as with a frame too big.

        It would close the transport with the rest of that frame unread, upon which the kernel
        resets the connection, often before the client has seen the close code.
        """
        self.ready = False
        close = self.conn.close_sent
        code = close.code if close is not None else CloseCode.PROTOCOL_ERROR
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def start_keepalive(self) -> None:
        """What uvicorn calls right after the handshake's answer was sent.

        It would keep request and response, headers parsed, as long as the connection lives.
        """
        super().start_keepalive()
        del self.request, self.response


def serialize(text: str) -> bytes:
    """Return the bytes of an unmasked text frame."""
    data = text.encode()
    if len(data) < 126:
        return bytes((0x80 | Opcode.TEXT, len(data))) + data
    return Frame(Opcode.TEXT, data).serialize(mask=False, extensions=[])
