"""Everything that the package keeps about one person, as a zip that this person can read."""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO
from itertools import groupby
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.db.models import Q, QuerySet
from django.utils import timezone, translation

from tracking.history import formats
from tracking.history.export_readme import readme
from tracking.history.export_tables import Table, tables
from tracking.history.pages import read_flagged
from tracking.history.partitions import DAY, day_of, start_of
from tracking.history.reading import count_by_hour
from tracking.history.rows import EARLIEST
from tracking.ids import DriverId

# Bytes that are collected before they are sent.
PIECE: Final = 64 * 1024

# Rows read at once.
BATCH_SIZE: Final = 1_000


def export(driver_id: DriverId, file: IO[bytes]) -> None:
    """Write a zip with everything that is kept about a person to a binary file.

    Its README is in the active language.
    """
    for piece in export_pieces(driver_id):
        file.write(piece)


def export_pieces(driver_id: DriverId, language: str | None = None) -> Iterator[bytes]:
    """Yield the zip in pieces, each made when the one before was taken.

    The README is in `language`, or in the one that is active when the first piece is made.
    No query or transaction is open between two pieces. A day is in memory as an hour's fixes, or
    `pages.READ_AT_ONCE`.
    """
    drain = _Drain()
    now = timezone.now()
    with ZipFile(drain, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, content in _files(driver_id, now, language):
            entry = ZipInfo(name, now.timetuple()[:6])
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            with archive.open(entry, "w") as file:
                for piece in content:
                    file.write(piece)
                    if drain.size >= PIECE:
                        yield drain.take()
    yield drain.take()


class _Drain:
    """A file that can only be written to, and is emptied by its reader."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def take(self) -> bytes:
        """Return all that was written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return taken


def _files(
    driver_id: DriverId, now: datetime, language: str | None
) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield the names of the files and their contents, to be read one after another."""
    counts = count_by_hour(driver_id, EARLIEST, now)
    days = [(day, list(hours)) for day, hours in groupby(counts, lambda count: day_of(count.hour))]
    with translation.override(language or translation.get_language()):
        text = readme(driver_id, now, days)
    yield "README.txt", [text]
    for table in tables(driver_id):
        yield table.name, _table_csv(table)
    for day, hours in days:
        window = (start_of(day), start_of(day + DAY))
        # Read twice, as a day of fixes may be too large for the memory.
        yield f"tracks/{day}.csv", formats.csv(read_flagged(driver_id, hours, *window))
        track = read_flagged(driver_id, hours, *window)
        yield f"tracks/{day}.gpx", formats.gpx(f"Driver {driver_id}", [track])


def _table_csv(table: Table) -> Iterator[bytes]:
    """Yield the file of a table, with the mark by which Excel recognizes UTF-8."""
    yield BOM_UTF8 + _csv_lines([list(table.columns)])
    for batch in _batches(table.rows, table.order):
        yield _csv_lines(
            [
                _cell(column(row) if callable(column) else getattr(row, column))
                for column in table.columns.values()
            ]
            for row in batch
        )


def _batches(rows: "QuerySet[Any]", order: str) -> Iterator[list[Any]]:
    """Yield all rows in lists. Each is a query of its own: a reader may take hours."""
    rows = rows.order_by(order, "pk")
    batch = list(rows[:BATCH_SIZE])
    while batch:
        yield batch
        at, pk = getattr(batch[-1], order), batch[-1].pk
        # The first condition is for the index.
        later = Q(**{f"{order}__gte": at}) & (Q(**{f"{order}__gt": at}) | Q(pk__gt=pk))
        batch = list(rows.filter(later)[:BATCH_SIZE]) if len(batch) == BATCH_SIZE else []


def _csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    lines = StringIO(newline="")
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return formats.time_text(value)
    text = str(value)
    # A spreadsheet would take such a text for a formula.
    if isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{text}"
    return text
