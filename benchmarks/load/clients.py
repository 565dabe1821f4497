"""Drivers and watchers, based on picows."""

import asyncio
import socket
from time import perf_counter
from typing import Final

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.load.ledger import DriverLedger, MismatchError, WatcherLedger
from benchmarks.load.meter import Meter
from benchmarks.load.wire import send_frame_parts, start_frame

HANDSHAKE_TIMEOUT: Final = 60.0
# As small as Linux allows, so that a client that stops reading soon blocks the server's socket.
# Measured on loopback: it takes 373 frames of 64 bytes; with the defaults, 62,288.
STALLED_RECEIVE_BUFFER: Final = 2048
STALLED_SEGMENT: Final = 536


class Client(WSListener):
    """A connection. A frame or close that the scenario does not expect voids the run."""

    transport: WSTransport

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self.meter = meter
        self.closing = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.TEXT:
            try:
                self.receive(frame.get_payload_as_bytes())
            except MismatchError as error:
                self.meter.fail(error)
        elif kind is WSMsgType.CLOSE and not self.closing:
            self.meter.fail(
                MismatchError(f"closed with {frame.get_close_code()} {frame.get_close_message()!r}")
            )

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.closing:
            self.meter.fail(MismatchError("the server dropped a connection"))

    def receive(self, payload: bytes) -> None:
        """Handle one text frame. Raises MismatchError."""
        raise NotImplementedError


class Driver(Client):
    """A driver that sends the next fix on each acknowledgement, or on schedule (open loop)."""

    def __init__(self, meter: Meter, ledger: DriverLedger, token: bytes) -> None:
        super().__init__(meter)
        self.ledger = ledger
        self.closed_loop = False
        # By number, when each fix was sent or, in an open loop, scheduled. Fix 0 was never sent.
        self.sent_at = [0.0]
        self._head, self._tail = send_frame_parts(ledger.driver_id, token)

    def send(self, scheduled: float) -> None:
        """Send the next fix, whose latencies count from `scheduled`."""
        self.sent_at.append(scheduled)
        self.transport.send(WSMsgType.TEXT, self._head + self.ledger.send() + self._tail)

    def receive(self, payload: bytes) -> None:
        sequence = self.acknowledge(payload)
        now = perf_counter()
        meter = self.meter
        meter.acknowledgements += 1
        sent_at = self.sent_at[sequence]
        if meter.since <= sent_at < meter.until:
            meter.acknowledgement_latencies.append(now - sent_at)
        if self.closed_loop:
            self.send(now)

    def acknowledge(self, payload: bytes) -> int:
        """Return the number of the fix that the frame acknowledges. Raises MismatchError."""
        return self.ledger.acknowledge(payload)


class Watcher(Client):
    """A watcher that checks each of its driver's locations."""

    def __init__(self, meter: Meter, driver: Driver, token: bytes) -> None:
        super().__init__(meter)
        self.driver = driver
        self.sent_at = driver.sent_at
        self.ledger = WatcherLedger(driver.ledger)
        self._sequences = driver.ledger.sequences
        self.token = token
        self.snapshot: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, start_frame(self.token))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        # The fast path, without a call, for nearly every frame of a fan-out: another watcher has
        # received the same bytes before, and they are new to this one.
        ledger = self.ledger
        sequence = self._sequences.get(frame.get_payload_as_bytes(), 0)
        if sequence > ledger.seen >= 0:
            ledger.seen = sequence
            self.count(sequence)
        else:
            super().on_ws_frame(transport, frame)

    def receive(self, payload: bytes) -> None:
        sequence = self.ledger.deliver(payload)
        if sequence:
            self.count(sequence)
        else:
            self.snapshot.set_result(None)

    def count(self, sequence: int) -> None:
        """Count one delivery of this fix."""
        meter = self.meter
        meter.deliveries += 1
        sent_at = self.sent_at[sequence]
        if meter.since <= sent_at < meter.until:
            meter.delivery_latencies.append(perf_counter() - sent_at)

    def stall(self) -> None:
        """Stop reading, like a phone without a network. The server may then disconnect it."""
        self.closing = True
        self.transport.underlying_transport.pause_reading()


async def connect(client: Client, url: str, *, can_stall: bool = False) -> None:
    """Open the client's connection. Its `on_ws_connected` sends the first message."""
    await ws_connect(
        lambda: client,
        url,
        websocket_handshake_timeout=HANDSHAKE_TIMEOUT,
        # Small buffers suffice: thousands of connections with short frames.
        read_buffer_init_size=1024,
        socket_factory=_small_socket if can_stall else None,
    )


def _small_socket(_url: object) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_RECEIVE_BUFFER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, STALLED_SEGMENT)
    connection.settimeout(0)
    return connection
