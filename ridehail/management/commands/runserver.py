from contextlib import nullcontext
from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from daphne.server import Server as DaphneServer
from django.core.management.base import CommandParser

from ridehail.deliverer import delivering


class Server(DaphneServer):  # type: ignore[misc]
    """Daphne's server, changed to send every close code of the protocol.

    Without this, Daphne's WebSocket library (autobahn) drops the connection on a frame that is too
    big, and refuses to send close codes between 1001 and 2999. It also applies the size limit for
    received messages to sent ones, such as the snapshot of the whole fleet.
    """

    def protocol_connected(self, protocol: Any) -> None:
        super().protocol_connected(protocol)
        protocol.failByDrop = False

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        code = message.get("code") or 1000
        if message["type"] == "websocket.close" and 1000 < code < 3000:
            protocol.sendCloseFrame(code=code)
        elif message["type"] == "websocket.send":
            limit, protocol.maxMessagePayloadSize = protocol.maxMessagePayloadSize, 0
            await super().handle_reply(protocol, message)  # never suspends, so no other sees the 0
            protocol.maxMessagePayloadSize = limit
        else:
            await super().handle_reply(protocol, message)


class Command(DaphneCommand):  # type: ignore[misc]
    """Daphne's runserver on port 3002, which the existing clients use.

    It runs `tracking_deliver` too, so that events reach webhooks in development.
    """

    default_port = "3002"
    server_cls = Server

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--no-deliverer",
            action="store_true",
            help="do not run tracking_deliver: it runs elsewhere, or no events are to be sent",
        )

    def inner_run(self, *args: Any, no_deliverer: bool, **options: Any) -> None:
        # In the process that serves, which the autoreloader starts again and again.
        with nullcontext() if no_deliverer else delivering():
            super().inner_run(*args, **options)

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        # Phones that report over HTTP send their token and location in the query string.
        path = str(details.get("path", "")).partition("?")[0]
        super().log_action(protocol, action, {**details, "path": path})
