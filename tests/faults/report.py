"""Writes the measured figures into docs/reliability.md."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from tests.services.program import PROJECT

from .arrivals import Deliveries
from .trial import Measured
from .trips import Lives

Row: TypeAlias = Measured | Lives | Deliveries | str

PAGE = PROJECT / "docs" / "reliability.md"
BEGIN, END = "<!-- measured by make faults -->\n", "<!-- end of what was measured -->\n"
BEGIN_EVENTS = "<!-- events, measured by make faults -->\n"
BEGIN_TRIPS = "<!-- trips, measured by make faults -->\n"

_HEAD = (
    "| scenario | sent | acknowledged | kept | lost"
    " | longest gap | prompt again | stored again | dropped |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)
_TRIPS_HEAD = (
    "| scenario | trips | reassigned | streams | frames | leaks"
    " | slowest move | slowest end | slowest end of a grant | broken |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)
_EVENTS_HEAD = (
    "| scenario | trips | events | lost | stored twice | undelivered | delivered again |\n"
    "|---|--:|--:|--:|--:|--:|--:|\n"
)


def write(rows: Mapping[str, Row], *, complete: bool) -> None:
    """Replace the tables of figures by scenario, or reasons why one did not run.

    Unless `complete`, keep the other rows.
    """
    trips = {title: row for title, row in rows.items() if isinstance(row, Lives)}
    events = {title: row for title, row in rows.items() if isinstance(row, Deliveries)}
    others = {title: row for title, row in rows.items() if title not in trips | events}
    page = PAGE.read_text()
    tables = (
        (BEGIN, _HEAD, others),
        (BEGIN_TRIPS, _TRIPS_HEAD, trips),
        (BEGIN_EVENTS, _EVENTS_HEAD, events),
    )
    for begin, head, found in tables:
        if found:
            page = _replaced(page, begin, head, found, complete=complete)
    PAGE.write_text(page)


def _replaced(
    page: str,
    begin: str,
    head: str,
    rows: Mapping[str, Row],
    *,
    complete: bool,
) -> str:
    """Return the page with other rows in the table that follows `begin`."""
    before, _, rest = page.partition(begin)
    former, _, after = rest.partition(END)
    lines = {}
    if not complete:
        _, _, table = former.partition(head)
        lines = {line.split("|")[1].strip(): line for line in table.splitlines(keepends=True)}
    lines |= {title: _row(title, row) for title, row in rows.items()}
    when = datetime.now(UTC).date()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    measured = f"Measured on {when}, {machine}.\n\n{head}{''.join(lines.values())}"
    return f"{before}{begin}{measured}{END}{after}"


def _row(title: str, row: Row) -> str:
    if isinstance(row, str):
        return f"| {title} | **did not run**: {row} |\n"
    if isinstance(row, Lives | Deliveries):
        return f"| {' | '.join([title, *row.cells()])} |\n"
    cells = [
        title,
        f"{row.sent:,}",
        f"{row.acknowledged:,}",
        "off" if row.kept is None else f"{row.kept:,}",
        f"{row.lost}",
        f"{row.gap:.1f} s",
        f"{row.prompt_after:.1f} s",
        f"{row.acknowledged_after:.1f} s",
        f"{row.dropped}",
    ]
    return f"| {' | '.join(cells)} |\n"
