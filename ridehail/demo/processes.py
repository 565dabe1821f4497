"""The demo's child processes. They stop when the demo stops."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import CommandError

START_TIMEOUT: Final = 30.0  # seconds for the server to accept connections
STOP_TIMEOUT: Final = 10.0  # seconds for a child to exit after SIGTERM, then it is killed


class Stopped(BaseException):
    """Raised on Ctrl-C and when the process is asked to stop.

    A BaseException, like KeyboardInterrupt, so that no `except Exception` catches it.
    """


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Raise Stopped on SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal closes)."""

    def stop(number: int, frame: Any) -> None:
        # Ignore further signals: a second Ctrl-C must not interrupt the cleanup.
        for other in handlers:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handlers = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def manage(
    *arguments: str, output: IO[Any] | None = None, **environment: str
) -> Iterator["subprocess.Popen[Any]"]:
    """Run `manage.py` with these arguments as a child process, and stop it after the block."""
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments]
    with program(command, output=output, **environment) as child:
        yield child


@contextlib.contextmanager
def program(
    command: Sequence[str], *, output: IO[Any] | None = None, **environment: str
) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program as a child process, and stop it after the block."""
    child = subprocess.Popen(  # noqa: S603, a program of ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # Ctrl-C must not reach the children directly: the parent stops them in order.
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def check_port_is_free(port: int) -> None:
    """Raise CommandError if another program listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        if os.name != "nt":  # on Windows, the option would let two programs share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is not available ({error.strerror}). Stop the program that uses it, "
                "or choose another port: manage.py demo --port 3003"
            ) from error


def free_port() -> int:
    """Return a port of 127.0.0.1 on which no program listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(port: int, server: "subprocess.Popen[Any]", log: Path) -> None:
    """Return once the server accepts connections.

    Raises CommandError, with the end of its log, if it exits or takes longer than START_TIMEOUT.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    output = log.read_text(errors="replace")[-2000:]
    raise CommandError(f"The server did not start. Its output:\n{output}")
