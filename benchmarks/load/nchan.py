"""Drivers and watchers of nginx with nchan, which passes frames on without reading them."""

import asyncio

from picows import WSMsgType, WSTransport

from benchmarks.load.clients import Driver, Watcher
from benchmarks.load.ledger import DriverLedger, MismatchError
from benchmarks.load.meter import Meter
from benchmarks.load.wire import LATITUDES, location


class NchanDriver(Driver):
    """A driver that publishes its watchers' frame. nchan's answer is no acknowledgement."""

    def __init__(self, meter: Meter, ledger: DriverLedger, token: bytes) -> None:
        super().__init__(meter, ledger, token)
        self._head, self._tail = location(ledger.driver_id, 0).split(LATITUDES[0])
        self.stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        # Fix 0, the snapshot.
        transport.send(WSMsgType.TEXT, location(self.ledger.driver_id, 0))

    def receive(self, payload: bytes) -> None:
        if self.stored.done():
            super().receive(payload)
        else:
            self.stored.set_result(None)

    def acknowledge(self, payload: bytes) -> int:
        if not payload.startswith(b"queued messages:"):
            raise MismatchError(f"nchan refused a message: {payload!r}")
        self.ledger.acknowledged += 1
        return self.ledger.acknowledged


class NchanWatcher(Watcher):
    """A watcher, which subscribes by connecting."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
