"""uvicorn's server with a graceful shutdown: sockets are closed gradually, and nothing is lost."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from tracking.conf import conf
from tracking.contrib.uvicorn.config import Config

logger = logging.getLogger(__name__)

# Seconds after DRAIN_SECONDS to finish database writes and HTTP requests.
STORE_TIMEOUT: Final = 10.0
# Seconds after that until the process exits even if a thread hangs, for example in a query.
EXIT_TIMEOUT: Final = 5.0
# Seconds for clients to answer a close frame before the connection is closed.
CLOSE_TIMEOUT: Final = 1.0


class Server(uvicorn.Server):
    """Drains on SIGTERM, SIGINT or SIGHUP, then exits with 0; a second signal ends it at once.

    A server without a supervisor cannot be replaced while it runs, so SIGHUP stops it as well, and
    systemd starts it again.

    uvicorn's own shutdown closes all sockets in the same instant, including those of drivers whose
    locations are not stored yet, and ends the process by the signal that it received.
    """

    config: Config

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        for handled in HANDLED_SIGNALS:
            signal.signal(handled, signal.SIG_DFL)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            # Windows has no SIGHUP, and only the main thread can handle signals.
            sighup = getattr(signal, "SIGHUP", None)
            if sighup is None or threading.current_thread() is not threading.main_thread():
                yield
                return
            before = signal.signal(sighup, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(sighup, before)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        seconds = conf.DRAIN_SECONDS
        self._exit_after(seconds + STORE_TIMEOUT + EXIT_TIMEOUT)
        deadline = time.monotonic() + seconds + STORE_TIMEOUT
        logger.info("Draining: closing sockets over %g s", seconds)
        if not await self.config.loaded_drain(seconds, STORE_TIMEOUT):
            logger.error("Drained, but not all sockets were closed and their locations stored")
        await self._wait_for_close_frames()
        # The time left for HTTP requests that are being served.
        self.config.timeout_graceful_shutdown = max(1, int(deadline - time.monotonic()))
        await super().shutdown(sockets)

    async def _wait_for_close_frames(self) -> None:
        """Wait for clients' close frames: closing a connection earlier could lose ours."""
        deadline = time.monotonic() + CLOSE_TIMEOUT
        connections = self.server_state.connections
        while time.monotonic() < deadline and any(  # noqa: ASYNC110 - uvicorn has no event for it
            getattr(connection, "close_sent", False) for connection in connections
        ):
            await asyncio.sleep(0.05)

    def _exit_after(self, seconds: float) -> None:
        def end() -> None:
            logger.error("Not stopped within %g s: exiting now", seconds)
            logging.shutdown()
            os._exit(1)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
