"""`python -m benchmarks.history`: measure the history, and write its part of docs/benchmarks.md.

The default of 5 million fixes takes 8 minutes and 5 GB of disk; 50 million take 30 minutes, 12 GB.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import django

from benchmarks import machine, report
from benchmarks.database import ROOT
from benchmarks.history.figures import Figures
from tests import services

# The days of which a driver's fixes are kept: HISTORY_DAYS.
DAYS: Final = 60
# Days that are not packed: HISTORY_HOT_DAYS.
HOT_DAYS: Final = 3
# More packed days, to be dropped.
DROPPED: Final = 4

# Bytes.
MAX_HOT: Final = 135
MAX_PACKED: Final = 12


def main() -> int:
    """Measure; return the exit status, 1 if a target is missed, unless the fleet is small."""
    options = _options()
    # Leave through the `with` blocks, which stop PostgreSQL and remove its files.
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, lambda *_: sys.exit("interrupted"))
    figures = Figures()
    with services.postgres_service() as postgres:
        os.chdir(ROOT)
        os.environ.update(services.environment(postgres.url, TRACKING_HISTORY_DAYS=f"{DAYS}"))
        services.manage(os.environ, "migrate", "--no-input")
        django.setup()
        stored = _measure(figures, options)
    print(f"\n{figures.table()}")
    if options.quick:
        return 0
    if not options.no_report:
        report.write_history(figures.table(), _surroundings(stored))
        print("Written: docs/benchmarks.md")
    return 1 if any(figure.met is False for figure in figures.found) else 0


def _measure(figures: Figures, options: argparse.Namespace) -> int:
    """Measure, with at least so many hot fixes at first; return their number."""
    # These need Django.
    from benchmarks.history import exporting, keeping, reading, sizes
    from benchmarks.history.fleet import Fleet
    from tracking.models import HistoryFix, HistorySegment

    fleet = Fleet(100, 360) if options.quick else Fleet()
    rows = 6 * fleet.fixes_per_day if options.quick else options.rows
    _create_users([*fleet.ids, reading.DISPATCHER])
    # The newest first.
    hot = [_days_ago(number + 1) for number in range(-(-rows // fleet.fixes_per_day))]
    fleet.simulate()
    for day in reversed(hot):
        fleet.store(day)
        figures.note(f"stored {fleet.fixes_per_day:,} fixes of {day}")
    fleet.locate()
    sizes.vacuum(HistoryFix)
    size, stored = sizes.add_up(HistoryFix)
    figures.add("A hot fix, with its indexes", "bytes", [size / stored], MAX_HOT)
    reading.measure(figures, fleet, hot[len(hot) // 2], "hot", max_track=100)

    keeping.measure_calm(figures, fleet, seconds=1 if options.quick else 10)
    oldest = hot.pop()
    keeping.measure_packing(figures, fleet, oldest)
    sizes.vacuum(HistorySegment)
    size, packed = sizes.add_up(HistorySegment, "sum(count)")
    figures.add("A packed fix, with its index", "bytes", [size / packed], MAX_PACKED, ".2f")
    if len(hot) > HOT_DAYS:
        keeping.measure_dropping_hot(figures, fleet, hot[HOT_DAYS:])
    hot = hot[:HOT_DAYS]
    keeping.copy_packed_day(oldest, DAYS - 1 - len(hot) + DROPPED)
    sizes.vacuum(HistorySegment)
    figures.note(f"copied to {DAYS - len(hot) + DROPPED} packed days")
    reading.measure(figures, fleet, oldest - timedelta(days=7), "packed", max_track=50)
    keeping.measure_dropping(figures, fleet, DROPPED)
    exporting.measure(figures, reading.DISPATCHER, fleet.ids[50], DAYS)
    keeping.measure_erasing(figures, fleet, DAYS, len(hot))
    return stored


def _days_ago(number: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=number)


def _create_users(ids: Iterable[int]) -> None:
    users = [{"id": i, "email": f"{i}@example.org", "role": "driver"} for i in ids]
    users[-1] |= {"role": "dispatcher", "is_staff": True, "is_superuser": True}
    services.create_users(os.environ, users)


def _surroundings(stored: int) -> str:
    described = ". ".join(machine.describe().values())
    version = services.find_postgres().version()
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with {stored / 1e6:.0f} million hot fixes:"
        f" {described}. PostgreSQL {version}."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="hot fixes, at least so many")
    parser.add_argument(
        "--quick", action="store_true", help="a small fleet, in half a minute: no figures"
    )
    parser.add_argument("--no-report", action="store_true", help="leave docs/benchmarks.md alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
