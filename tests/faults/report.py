"""Writes the measured figures into docs/reliability.md."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.services.program import PROJECT

from .trial import Measured

PAGE = PROJECT / "docs" / "reliability.md"
BEGIN, END = "<!-- measured by make faults -->\n", "<!-- end of what was measured -->\n"

_HEAD = (
    "| scenario | sent | acknowledged | kept | lost"
    " | longest gap | prompt again | stored again | dropped |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)


def write(rows: Mapping[str, Measured | str], *, complete: bool) -> None:
    """Replace the table of figures by scenario, or reasons why one did not run.

    Unless `complete`, keep the other rows.
    """
    before, _, rest = PAGE.read_text().partition(BEGIN)
    former, _, after = rest.partition(END)
    lines = {}
    if not complete:
        _, _, table = former.partition(_HEAD)
        lines = {line.split("|")[1].strip(): line for line in table.splitlines(keepends=True)}
    lines |= {title: _row(title, row) for title, row in rows.items()}
    when = datetime.now(UTC).date()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    head = f"Measured on {when}, {machine}.\n\n{_HEAD}"
    PAGE.write_text(f"{before}{BEGIN}{head}{''.join(lines.values())}{END}{after}")


def _row(title: str, row: Measured | str) -> str:
    if isinstance(row, str):
        return f"| {title} | **did not run**: {row} |\n"
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
