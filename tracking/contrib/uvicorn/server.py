"""uvicorn, with a shutdown that sends thousands of clients elsewhere without losing anything."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import multiprocess

logger = logging.getLogger(__name__)

# Seconds beyond DRAIN_SECONDS for what sockets wait for: the database, requests under way.
PATIENCE: Final = 10.0
# Seconds beyond that until the process ends whatever it hangs on, such as a thread in a query.
LAST_RESORT: Final = 5.0
# How long clients have to answer a close frame, before their connection is cut.
LINGER: Final = 1.0
# Between two looks of the supervisor at what its workers do.
POLL_INTERVAL: Final = 0.05


class Server(uvicorn.Server):
    """Drains on SIGTERM, SIGINT or SIGHUP, then exits with 0; a second signal ends it at once.

    Without a supervisor nobody could replace it, so that a reload is a stop, after which systemd
    starts it anew.

    Without this, uvicorn closes all sockets in the same instant, drivers' with locations that are
    not yet stored included, and ends by the signal it was sent.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        for handled in HANDLED_SIGNALS:
            signal.signal(handled, signal.SIG_DFL)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            before = signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, before)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # Django's apps are loaded by now.
        from tracking.conf import conf
        from tracking.consumers.draining import drain

        seconds = conf.DRAIN_SECONDS
        self._end_after(seconds + PATIENCE + LAST_RESORT)
        deadline = time.monotonic() + seconds + PATIENCE
        logger.info("Draining: sockets are closed over %g s", seconds)
        if not await drain(seconds, PATIENCE):
            logger.error("Drained, but not all could be stored and acknowledged")
        await self._linger()
        # For the requests under way.
        self.config.timeout_graceful_shutdown = max(1, int(deadline - time.monotonic()))
        await super().shutdown(sockets)

    async def _linger(self) -> None:
        """Cutting a connection before the client has read its close frame could lose the frame."""
        deadline = time.monotonic() + LINGER
        connections = self.server_state.connections
        while time.monotonic() < deadline and any(  # noqa: ASYNC110 - uvicorn tells nobody
            getattr(connection, "close_sent", False) for connection in connections
        ):
            await asyncio.sleep(0.05)

    def _end_after(self, seconds: float) -> None:
        def end() -> None:
            logger.error("Not stopped within %g s: ended as it is", seconds)
            logging.shutdown()
            os._exit(1)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()


class SupervisedServer(Server):
    """One of several workers that accept from the same socket."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # It may hear the same thing thrice: from a terminal or an init system that tells all
        # processes, and from its supervisor, which kills it if that was told twice.
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # The others accept what comes from now on.
        for server in self.servers:
            server.close()
        # What was accepted before is about to send its handshake, and need not be refused.
        await asyncio.sleep(0.1)
        await super().shutdown(sockets)


class Worker(multiprocess.Process):
    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = SupervisedServer(config=self.config)
        return self._server


class Supervisor(multiprocess.Multiprocess):
    """Starts workers, and others in place of those that die.

    SIGHUP replaces each in turn, the new one first; SIGTERM and SIGINT drain all at once, and a
    second one kills them.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        # Those that were told to end, but had not when all were.
        self._replaced: list[multiprocess.Process] = []

    def restart_all(self) -> None:
        """Replace each worker, unless told to stop meanwhile: then stop within the usual time.

        uvicorn looks at its signals once all are replaced, which takes as long as each of them has
        to drain, one after the other.
        """
        for index, old in enumerate(self.processes):
            new = Worker(self.config, self.sockets)
            new.start()
            if not self._wait_until_ready(new):
                if not self._told_to_stop():
                    logger.error("A new worker was not ready in time: the others stay as they are")
                new.kill()
                new.join()
                return
            old.terminate()
            # From now on it is told to stop with the others.
            self.processes[index] = new
            while old.process.is_alive() and not self._told_to_stop():
                time.sleep(POLL_INTERVAL)
            if old.process.is_alive():
                self._replaced.append(old)
                return
            old.join()

    def _wait_until_ready(self, worker: Worker) -> bool:
        deadline = time.monotonic() + self.config.timeout_worker_healthcheck
        while time.monotonic() < deadline and worker.process.is_alive():
            if self._told_to_stop():
                return False
            if worker.is_ready(timeout=1):
                return True
            time.sleep(POLL_INTERVAL)
        return False

    def _told_to_stop(self) -> bool:
        return not {signal.SIGINT, signal.SIGTERM}.isdisjoint(self.signal_queue)

    def terminate_all(self) -> None:
        # Or who connects from now on would wait in a queue that nobody accepts from.
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        workers = [*self.processes, *self._replaced]
        while any(worker.process.is_alive() for worker in workers):
            if self._told_to_stop():
                for worker in workers:
                    worker.kill()
            time.sleep(POLL_INTERVAL)
        for worker in workers:
            worker.join()


# Its methods name the class, so this is the way to give it another.
multiprocess.Process = Worker  # type: ignore[misc]


def serve(config: uvicorn.Config) -> None:
    """Serve until told to stop; exit with 1 if a worker did not end as it should."""
    if config.workers == 1:
        server = Server(config)
        server.run()
        if not server.started:
            sys.exit(1)
        return
    from tracking.contrib.uvicorn.workers import shared_directory

    with shared_directory():
        supervisor = Supervisor(config, sockets=[config.bind_socket()])
        supervisor.run()
    if any(worker.exitcode for worker in supervisor.processes):
        sys.exit(1)
