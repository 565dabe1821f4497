from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from daphne.server import Server as DaphneServer


class Server(DaphneServer):  # type: ignore[misc]
    """Daphne, with every close code of the contract. Without this, its WebSocket library drops
    the connection on a frame too big, and refuses to send codes between 1001 and 2999.
    """

    def protocol_connected(self, protocol: Any) -> None:
        super().protocol_connected(protocol)
        protocol.failByDrop = False

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        code = message.get("code") or 1000
        if message["type"] == "websocket.close" and 1000 < code < 3000:
            protocol.sendCloseFrame(code=code)
        else:
            await super().handle_reply(protocol, message)


class Command(DaphneCommand):  # type: ignore[misc]
    """Daphne's runserver on port 3002, where the existing clients look for it."""

    default_port = "3002"
    server_cls = Server
