"""Riders' apps over real sockets."""

import asyncio
import json
from collections.abc import Sequence
from time import monotonic

from picows import WSTransport

from .load import Client, Load
from .trips import ABNORMAL, StreamLedger, Visit


class Rider(Client):
    """Follows one stream, reconnects when disconnected, and stops when it is refused."""

    def __init__(
        self, load: Load, urls: Sequence[str], token: str, *, ledger: StreamLedger
    ) -> None:
        super().__init__(load, urls, token)
        self.ledger = ledger
        self._task = asyncio.create_task(self.run())

    def send_first_message(self) -> None:
        self.ledger.visits.append(Visit())
        self.say(command="start", details=True)

    def receive(self, frame: str, now: float) -> None:
        self.ledger.visits[-1].frames.append((now, json.loads(frame)))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        received = transport.close_handshake and transport.close_handshake.recv
        visit = self.ledger.visits[-1]
        visit.ended = monotonic()
        visit.code = int(received.code or ABNORMAL) if received else ABNORMAL
        if self.ledger.has_ended:
            self._task.cancel()
        self.load.news.set()

    async def close(self) -> None:
        """Disconnect."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.transport is not None:
            self.transport.disconnect()
