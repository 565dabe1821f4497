"""A TCP proxy between the workers and a service, to simulate network failures."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self


class Proxy:
    """Forwards bytes to a port of 127.0.0.1. An async context manager.

    `port` is its own. `alter`, if set, receives each piece on its way to the service and returns
    its replacement.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.target = target
        self.alter: Callable[[bytes], bytes] | None = None
        self.silent = False
        self.links: set[Link] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.refuse()

    async def accept(self) -> None:
        """Forward the bytes of connections made from now on."""
        self.silent = False
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Link(self), "127.0.0.1", self.port
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def swallow(self) -> None:
        """Drop every byte in both directions without a reset, like a cut cable.

        Existing connections stay dead after `accept()`, as behind a firewall that lost its state.
        New ones are established, as the kernel accepts them, and then receive nothing.
        """
        self.silent = True
        for link in self.links:
            link.lost = True

    async def refuse(self) -> None:
        """Reset all connections and refuse new ones, like a host whose service has stopped."""
        if self._server is not None:
            # This has closed its socket. From Python 3.12 on, wait_closed() would wait for the
            # connections, too.
            self._server.close()
            self._server = None
        for link in list(self.links):
            link.cut()


class Link(asyncio.Protocol):
    """One connection through the proxy: this is its client side, `_Far` its service side."""

    def __init__(self, proxy: Proxy) -> None:
        self.lost = proxy.silent
        self._proxy = proxy
        self._near: asyncio.Transport
        self._far: asyncio.Transport | None = None
        # Bytes received before the far end is connected: Python 3.11.2 cannot pause reading then.
        self._early = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._near = transport
        self._proxy.links.add(self)
        if not self.lost:
            self._task = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        try:
            self._far, _ = await asyncio.get_running_loop().create_connection(
                lambda: _Far(self), "127.0.0.1", self._proxy.target
            )
        except OSError:
            self.cut()
        else:
            early, self._early = self._early, b""
            if early:
                self.data_received(early)

    def data_received(self, data: bytes) -> None:
        if self.lost:
            return
        if self._far is None:
            self._early += data
        else:
            alter = self._proxy.alter
            self._far.write(data if alter is None else alter(data))

    def connection_lost(self, error: Exception | None) -> None:
        self.cut()

    def give(self, data: bytes) -> None:
        """Write bytes from the far end."""
        if not self.lost:
            self._near.write(data)

    def cut(self) -> None:
        """Reset both ends."""
        self._proxy.links.discard(self)
        if self._task is not None:
            self._task.cancel()
        for transport in filter(None, (self._near, self._far)):
            if not transport.is_closing():
                # Makes `abort()` send a reset.
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                transport.abort()

    def hang_up(self) -> None:
        """Handle the end of the far connection. On a swallowed link, the near end is not closed."""
        if not self.lost:
            self.cut()


class _Far(asyncio.Protocol):
    def __init__(self, link: Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.give(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._link.hang_up()
