"""A plain socket for WebSocket connections, valid or not, byte by byte."""

import base64
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"\x25\x0f\xf0\x5a"
DEADLINE = 10.0  # seconds that any answer may take


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """Return a frame (RFC 6455, section 5.2), with `length` instead of the payload's own length."""
    size = len(payload) if length is None else length
    if size < 126:
        sizes = bytes([masked << 7 | size])
    elif size < 2**16:
        sizes = struct.pack("!BH", masked << 7 | 126, size)
    else:
        sizes = struct.pack("!BQ", masked << 7 | 127, size)
    if masked:
        keys = KEY * (len(payload) // 4 + 1)
        sizes += KEY
        payload = bytes(byte ^ key for byte, key in zip(payload, keys, strict=False))
    return bytes([fin << 7 | reserved << 4 | opcode]) + sizes + payload


def handshake(target: bytes, headers: bytes = b"") -> bytes:
    """Return an opening handshake."""
    return (
        b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n" + headers + b"\r\n"
    )


class Raw:
    """A WebSocket connection that sends any bytes. A context manager. Blocks, with a deadline."""

    def __init__(self, port: int, target: bytes, headers: bytes = b"") -> None:
        """Send a handshake and read the answer's head. `status` is 0 if there was no answer."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._received = b""
        self.send(handshake(target, headers))
        while b"\r\n\r\n" not in self._received and self._receive():
            pass
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        self.status = int(head.split()[1]) if head else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send as much as the server takes: it may have closed the connection."""
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def finish(self) -> None:
        """Send nothing more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield opcode and payload of the server's frames until the connection ends.

        Raises TimeoutError if nothing is received.
        """
        while self._fill(2):
            opcode, size = self._received[0] & 15, self._received[1]
            head = 2
            if size == 126:
                head = 4
                self._fill(head)
                size = int.from_bytes(self._received[2:4], "big")
            if not self._fill(head + size):
                return
            payload = self._received[head : head + size]
            self._received = self._received[head + size :]
            yield opcode, payload

    def end(self) -> tuple[list[str], int]:
        """Return the server's text messages until it closes, and its close code, or 1006."""
        texts = []
        for opcode, payload in self.frames():
            if opcode == CLOSE:
                return texts, int.from_bytes(payload[:2] or b"\x03\xed", "big")
            if opcode == TEXT:
                texts.append(payload.decode())
        return texts, 1006

    def _fill(self, size: int) -> bool:
        while len(self._received) < size:
            if not self._receive():
                return False
        return True

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self._received += data
        return bool(data)
