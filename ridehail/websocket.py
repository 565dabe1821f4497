"""uvicorn's WebSocket protocol with a fast path for what this project sends most."""

import socket
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode

# Bytes for one client that may wait here, and as many again in the kernel, before sends block and
# only the newest location waits. A phone that comes back reads up to that much of the past first.
MAX_UNSENT: Final = 4096

# Seconds for which a client that broke the protocol is read, and ignored, before it is cut off.
LINGER: Final = 0.5


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Sends text frames straight to the transport, and forgets the handshake once it is done.

    Frames to clients are not masked (RFC 6455 section 5.1), so without compression they are the
    same bytes for everybody. The first connection to send an event leaves them in it, under the
    key `wire`, for the others.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=MAX_UNSENT)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT)

    async def send(self, message: Any) -> None:
        if (
            message["type"] == "websocket.send"
            and self.handshake_complete
            and self.writable.is_set()
            and not self.close_sent
            and not self.disconnected
            and not self.transport.is_closing()
            and not self.conn.extensions
            and message.get("text") is not None
        ):
            wire = message.get("wire")
            if wire is None:
                wire = message["wire"] = serialize(message["text"])
            self.transport.write(wire)
        else:
            await super().send(message)

    def data_received(self, data: bytes) -> None:
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """What uvicorn calls when a client breaks the protocol, as with a frame too big.

        It would close the transport with the rest of that frame unread, upon which the kernel
        resets the connection, often before the client has seen the close code.
        """
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
