"""The file TRACKING["ERASURE_LOG"]: a line of JSON for each erasure, outside of the database.

A backup that is older than an erasure brings back what was erased, without the tombstone. From
these lines `tracking.history.erasure` restores it. Each machine may have a file of its own: a run
of `tracking_maintain` adds the lines that are missing.
"""

import logging
import os
from collections.abc import Iterable
from datetime import datetime
from errno import ENOSPC
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from tracking.conf import conf
from tracking.ids import DriverId, from_plain, to_plain
from tracking.models import HistoryErasure
from tracking.people import USER_IDS

logger = logging.getLogger(__name__)

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class ErasureLogError(OSError):
    """Raised if the file cannot be written or read."""


class Line(msgspec.Struct, frozen=True):
    """An erasure: its driver in the form of `tracking.ids.to_plain`, and aware times."""

    driver: int | str
    before: Time
    erased_at: Time

    @property
    def driver_id(self) -> DriverId:
        return from_plain(self.driver)


def line_of(erasure: HistoryErasure) -> Line:
    """Return the line of an erasure."""
    return Line(to_plain(erasure.driver_id), erasure.before, erasure.erased_at)


def append(lines: Iterable[Line]) -> None:
    """Add lines to the file, and return once they are on the disk; without lines, only open it.

    Do nothing without the setting. Several processes may append at once. Raise ErasureLogError.
    """
    path = conf.ERASURE_LOG
    if not path:
        return
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if data:
                _write(file, data)
        finally:
            os.close(file)
    except OSError as error:
        raise ErasureLogError(f"TRACKING['ERASURE_LOG'] cannot be written: {error}") from error


def _write(file: int, data: bytes) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        data = b"\n" + data  # after a part of a line, left when the disk was full
    if os.write(file, data) < len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    os.fsync(file)


def read() -> set[Line]:
    """Return the lines of the file; none without a file or the setting. Raise ErasureLogError."""
    path = conf.ERASURE_LOG
    if not path:
        return set()
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise ErasureLogError(f"TRACKING['ERASURE_LOG'] cannot be read: {error}") from error
    lines = set()
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError:
            line = None
        if line is not None and USER_IDS.parse_claim(line.driver) is not None:
            lines.add(line)
        elif text.strip():
            logger.error("Line %d of TRACKING['ERASURE_LOG'] is damaged and ignored", number)
    return lines
