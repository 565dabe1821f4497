"""Worker processes that accept from one socket, and the process that replaces them."""

import asyncio
import logging
import signal
import sys
import time
from socket import socket
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.supervisors import multiprocess

from tracking.contrib.uvicorn.config import Config
from tracking.contrib.uvicorn.server import Server
from tracking.contrib.uvicorn.workers import shared_directory

logger = logging.getLogger(__name__)

# Seconds between two checks of the workers.
POLL_INTERVAL: Final = 0.05
# Seconds for the handshakes of connections that a worker accepted just before it stopped accepting.
ACCEPTED_TIMEOUT: Final = 0.1


class SupervisedServer(Server):
    """The server of one worker. Other workers accept from the same listening socket."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Further signals are no reason to exit at once: a terminal or an init system may signal
        # all processes, and the supervisor signals its workers too. It kills them if it receives a
        # second signal itself.
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # The other workers accept new connections from now on.
        for server in self.servers:
            server.close()
        # Connections that were accepted before are sending their handshakes now: serve them.
        await asyncio.sleep(ACCEPTED_TIMEOUT)
        await super().shutdown(sockets)


class Worker(multiprocess.Process):
    """A worker process with its own server."""

    config: Config

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = SupervisedServer(config=self.config)
        return self._server


class Supervisor(multiprocess.Multiprocess):
    """Starts worker processes, and replaces those that die.

    SIGHUP replaces one worker after the other, and starts the new one before it stops the old one.
    SIGTERM and SIGINT drain all workers at once; a second signal kills them.
    """

    config: Config

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        # Replaced workers that were still stopping when the supervisor was stopped.
        self._replaced: list[multiprocess.Process] = []

    def run(self) -> None:
        # uvicorn's methods refer to the class by its global name, so it has to be replaced there.
        multiprocess.Process = Worker  # type: ignore[misc]
        super().run()

    def restart_all(self) -> None:
        """Replace one worker after the other; return early on SIGINT or SIGTERM.

        uvicorn handles those signals only after all workers are replaced, which takes the sum of
        their drain times.
        """
        for index, old in enumerate(self.processes):
            new = Worker(self.config, self.sockets)
            new.start()
            if not self._wait_until_ready(new):
                if not self._is_stopping():
                    logger.error("A new worker was not ready in time; keeping the old workers")
                new.kill()
                new.join()
                return
            old.terminate()
            # From now on, terminate_all() includes it.
            self.processes[index] = new
            while old.process.is_alive() and not self._is_stopping():
                time.sleep(POLL_INTERVAL)
            if old.process.is_alive():
                self._replaced.append(old)
                return
            old.join()

    def _wait_until_ready(self, worker: Worker) -> bool:
        deadline = time.monotonic() + self.config.timeout_worker_healthcheck
        while time.monotonic() < deadline and worker.process.is_alive():
            if self._is_stopping():
                return False
            if worker.is_ready(timeout=1):
                return True
            time.sleep(POLL_INTERVAL)
        return False

    def _is_stopping(self) -> bool:
        return not {signal.SIGINT, signal.SIGTERM}.isdisjoint(self.signal_queue)

    def terminate_all(self) -> None:
        # Otherwise new clients would wait in the backlog, from which nothing accepts any more.
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        workers = [*self.processes, *self._replaced]
        while any(worker.process.is_alive() for worker in workers):
            if self._is_stopping():
                for worker in workers:
                    worker.kill()
            time.sleep(POLL_INTERVAL)
        for worker in workers:
            worker.join()


def serve(config: Config) -> None:
    """Serve until a signal stops the server; exit with 1 if the server or a worker fails."""
    if config.workers == 1:
        server = Server(config)
        server.run()
        if not server.started:
            sys.exit(1)
        return
    with shared_directory():
        supervisor = Supervisor(config, sockets=[config.bind_socket()])
        supervisor.run()
    if any(worker.exitcode for worker in supervisor.processes):
        sys.exit(1)
