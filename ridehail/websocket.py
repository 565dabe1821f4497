"""uvicorn's WebSocket protocol, on a diet."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Forgets the handshake once it is done.

    uvicorn keeps request and response, headers parsed, as long as the connection lives.
    """

    def start_keepalive(self) -> None:
        """What uvicorn calls right after the handshake's answer was sent."""
        super().start_keepalive()
        del self.request, self.response
