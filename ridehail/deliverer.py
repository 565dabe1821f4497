"""The development server's deliverer: a child process that ends with it, however it ends."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

# Seconds for it to finish what is in flight.
STOP_TIMEOUT: Final = 15.0


@contextlib.contextmanager
def delivering() -> Iterator[None]:
    """Run `manage.py tracking_deliver` during the block.

    It reads the pipe that is its standard input. The pipe closes with this process even when that
    is killed, and when the autoreloader ends it without unwinding this block.
    """
    child = subprocess.Popen(  # noqa: S603 - our own program
        [
            sys.executable,
            str(Path(settings.BASE_DIR) / "manage.py"),
            "tracking_deliver",
            "--until-eof",
            "--skip-checks",  # the server makes them
        ],
        stdin=subprocess.PIPE,
    )
    try:
        yield
    finally:
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
