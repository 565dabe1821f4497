"""uvicorn's WebSocket protocol with a fast path for what this project sends most."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Sends text frames straight to the transport, and forgets the handshake once it is done.

    Frames to clients are not masked (RFC 6455 section 5.1), so without compression they are the
    same bytes for everybody. The first connection to send an event leaves them in it, under the
    key `wire`, for the others.
    """

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
