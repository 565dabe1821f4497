"""The file TRACKING["ERASURE_LOG"]: a line of JSON for each erasure, hold and release of a hold.

It is outside of the database, for restored backups. One that is older than an erasure brings back
what was erased, without the tombstone; one that is older than a hold does not protect what was
held. From these lines `tracking.history.reconciliation` restores both. Each machine may have a file
of its own: a run of `tracking_maintain` adds the lines that are missing.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from errno import ENOSPC
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from django.db import transaction

from tracking.conf import conf
from tracking.history.partitions import history_db
from tracking.ids import DriverId, from_plain, to_plain
from tracking.models import HistoryErasure, HistoryHold
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


class HoldLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A hold; a second line has the time of its release as well."""

    hold: str
    driver: int | str
    since: Time
    until: Time
    held_at: Time
    released_at: Time | None = None

    @property
    def driver_id(self) -> DriverId:
        return from_plain(self.driver)


def line_of(erasure: HistoryErasure) -> Line:
    """Return the line of an erasure."""
    return Line(to_plain(erasure.driver_id), erasure.before, erasure.erased_at)


def line_of_hold(hold: HistoryHold) -> HoldLine:
    """Return the line of a hold, or of its release."""
    driver = to_plain(hold.driver_id)
    return HoldLine(hold.reference, driver, hold.since, hold.until, hold.held_at, hold.released_at)


def append(lines: Iterable[Line | HoldLine]) -> None:
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


def append_on_commit(lines: Iterable[HoldLine]) -> None:
    """Add lines once the transaction is committed.

    A failure is logged, and the next `tracking_maintain` adds them.
    """

    def append_lines() -> None:  # a robust callback needs a name: no `partial`
        append(lines)

    transaction.on_commit(append_lines, using=history_db(), robust=True)


def _write(file: int, data: bytes) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        data = b"\n" + data  # after a part of a line, left when the disk was full
    if os.write(file, data) < len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    os.fsync(file)


def read() -> set[Line | HoldLine]:
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
    lines: set[Line | HoldLine] = set()
    for number, text in enumerate(content.splitlines(), start=1):
        if (line := _decoded(text)) is not None:
            lines.add(line)
        elif text.strip():
            logger.error("Line %d of TRACKING['ERASURE_LOG'] is damaged and ignored", number)
    return lines


def _decoded(text: bytes) -> Line | HoldLine | None:
    forms: tuple[type[Line | HoldLine], ...] = (Line, HoldLine)
    for form in forms:
        with suppress(msgspec.DecodeError):
            line = msgspec.json.decode(text, type=form)
            return line if USER_IDS.parse_claim(line.driver) is not None else None
    return None
