"""The demo's child processes: none outlives it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import CommandError

START_TIMEOUT: Final = 30.0  # seconds until the server answers
STOP_TIMEOUT: Final = 10.0  # seconds until a child that was asked to stop is killed


class Stopped(BaseException):
    """Ctrl-C, or somebody ended the process.

    Not an Exception, as KeyboardInterrupt is not: nothing catches it by chance.
    """


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Within it, Ctrl-C, SIGTERM and the end of the terminal raise Stopped."""

    def stop(number: int, frame: Any) -> None:
        # Once is enough: impatience must not cut the cleaning up short.
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
def manage(*arguments: str, output: IO[Any] | None = None) -> Iterator["subprocess.Popen[Any]"]:
    """`manage.py` with these arguments as a child, which ends with the block."""
    child = subprocess.Popen(  # noqa: S603, our own program
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # Out of the terminal's reach: the parent ends the children, in order.
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
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
    """Raise CommandError if another program listens there."""
    with socket.socket() as probe:
        if os.name != "nt":  # where it would allow to share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be had ({error.strerror}). Stop the program that uses it, "
                "or choose another port: manage.py demo --port 3003"
            ) from error


def wait_until_listening(port: int, server: "subprocess.Popen[Any]", log: Path) -> None:
    """Return once the server accepts connections; raise CommandError if it ends or takes long."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    said = log.read_text(errors="replace")[-2000:]
    raise CommandError(f"The server did not start. It said:\n{said}")
