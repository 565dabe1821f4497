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

# Seconds between two looks at the workers.
POLL_INTERVAL: Final = 0.05
# Seconds for the handshakes of connections that a worker has just accepted.
ACCEPTED_TIMEOUT: Final = 0.1


class SupervisedServer(Server):
    """The server of a worker, beside others that accept from the same socket."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # The same stop may arrive three times: from a terminal or an init system that signals all
        # processes, and from the supervisor, which kills the worker after a second one.
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # The other workers accept what comes from now on.
        for server in self.servers:
            server.close()
        # Connections that were accepted before send their handshakes now: serve them.
        await asyncio.sleep(ACCEPTED_TIMEOUT)
        await super().shutdown(sockets)


class Worker(multiprocess.Process):
    """A process with a server of its own."""

    config: Config

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

    config: Config

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        # Workers that were told to stop, and had not stopped when all were told to.
        self._replaced: list[multiprocess.Process] = []

    def run(self) -> None:
        # uvicorn's methods name the class; there is no other way to give them a different one.
        multiprocess.Process = Worker  # type: ignore[misc]
        super().run()

    def restart_all(self) -> None:
        """Replace each worker, unless told to stop meanwhile: then stop within the usual time.

        uvicorn handles its signals once all are replaced, which takes as long as each of them has
        to drain, one after the other.
        """
        for index, old in enumerate(self.processes):
            new = Worker(self.config, self.sockets)
            new.start()
            if not self._wait_until_ready(new):
                if not self._told_to_stop():
                    logger.error("A new worker was not ready in time: the old ones are kept")
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
        # Or clients that connect from now on would wait in a queue that nothing accepts from.
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


def serve(config: Config) -> None:
    """Serve until told to stop; exit with 1 if the server or a worker fails."""
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
