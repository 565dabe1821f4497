"""Compare fill factors of the table of last known locations: `python -m benchmarks.fillfactor`.

The project's own upsert runs in a closed loop on PostgreSQL with fsync on: each round writes a new
fix of every driver once, in random order. The fill factors take turns, each time on a new table.
The rows of a "new" table were inserted with that fill factor. A "changed" one was filled at 100,
and its fill factor was changed afterwards, as by a migration.

Takes 12 minutes; `--pairs 2 --seconds 1` takes 2.
"""

import argparse
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final, NamedTuple

import django

from benchmarks.database import ROOT
from benchmarks.load.cpu import cpu_seconds
from tests import services

# Drivers, and fixes in a batch: what a worker writes at 2,000 updates/s, and in a closed loop.
SHAPES: Final = [(1_000, 5), (1_000, 250), (10_000, 5), (10_000, 500)]
# Rounds before the measurement, so that pages have their steady mix of live and dead rows.
ROUNDS_BEFORE: Final = 3
TABLE: Final = "tracking_driverlocation"

_COUNTS: Final = (
    "SELECT n_tup_upd, n_tup_hot_upd, pg_current_wal_insert_lsn() - '0/0'::pg_lsn,"
    " pg_backend_pid() FROM pg_stat_user_tables WHERE relname = %s"
)
_SIZES: Final = "SELECT pg_relation_size(%s) / 1024.0, pg_indexes_size(%s) / 1024.0"


class Variant(NamedTuple):
    """A fill factor, and True if the table was filled at 100 before."""

    fillfactor: int
    is_changed: bool = False

    def __str__(self) -> str:
        return f"{self.fillfactor}, {'changed' if self.is_changed else 'new'}"


class Counts(NamedTuple):
    """Counters of the table, of the server, and of its process for this connection."""

    updated: float
    updated_hot: float
    wal_bytes: float
    cpu: float

    def since(self, earlier: "Counts") -> "Counts":
        return Counts(*(now - before for now, before in zip(self, earlier, strict=True)))


class Measured(NamedTuple):
    """The figures of one span; sizes are in kB, and processor time is that process's, in µs."""

    updates_per_second: float
    cpu_per_update: float
    wal_per_update: float
    hot_share: float
    hot_share_before: float
    table_size: float
    index_size: float


COLUMNS: Final = {
    "updates/s": ",.0f",
    "CPU µs/update": ".1f",
    "WAL bytes/update": ".0f",
    "HOT": ".2%",
    "HOT in the rounds before": ".1%",
    "table kB": ",.0f",
    "index kB": ",.0f",
}


class Bench:
    """The table in a database of its own, and rounds of updates of its rows."""

    def __init__(self, drivers: int, batch: int) -> None:
        from django.db import connection

        self._connection = connection
        self._ids = range(1, drivers + 1)
        self._batch = batch
        self._random = random.Random(1)  # noqa: S311 - no secret
        self._batches = self._rounds()

    def measure(self, variant: Variant, seconds: float) -> Measured:
        """Return the figures of a new table that is written for so many seconds."""
        with self._without_waiting_for_commits():
            self._fill(variant)
            filled = self._counts()
            for _ in range(ROUNDS_BEFORE):
                self._write_round()
        ready = self._counts()
        began = time.perf_counter()
        while (span := time.perf_counter() - began) < seconds:
            self._write_batch()
        found, before = self._counts().since(ready), ready.since(filled)
        return Measured(
            found.updated / span,
            1e6 * found.cpu / found.updated,
            found.wal_bytes / found.updated,
            found.updated_hot / found.updated,
            before.updated_hot / before.updated,
            *self._execute(_SIZES, [TABLE, TABLE]),
        )

    def _fill(self, variant: Variant) -> None:
        change = f"ALTER TABLE {TABLE} SET (fillfactor = {variant.fillfactor})"
        self._execute(f"TRUNCATE {TABLE}")
        self._execute(f"ALTER TABLE {TABLE} RESET (fillfactor)" if variant.is_changed else change)
        self._write_round()
        if variant.is_changed:
            self._execute(change)
        # Neither is due during the measurement then.
        self._execute(f"VACUUM ANALYZE {TABLE}")
        self._execute("CHECKPOINT")

    @contextmanager
    def _without_waiting_for_commits(self) -> Iterator[None]:
        self._execute("SET synchronous_commit = off")
        yield
        self._execute("SET synchronous_commit = on")

    def _write_round(self) -> None:
        for _ in range(-(-len(self._ids) // self._batch)):
            self._write_batch()

    def _write_batch(self) -> None:
        from tracking.pipeline.rows import upsert

        upsert(next(self._batches))

    def _rounds(self) -> Iterator[list[Any]]:
        from tracking.fix import Fix

        while True:
            order = self._random.sample(self._ids, len(self._ids))
            for start in range(0, len(order), self._batch):
                now = datetime.now(UTC)
                yield [
                    Fix(driver_id, 1.2345678, 2.3456789, now, now, 5.0, 90.0, 10.5)
                    for driver_id in order[start : start + self._batch]
                ]

    def _counts(self) -> Counts:
        # Statistics are written with a delay, and read only once in a transaction.
        self._execute("SELECT pg_stat_force_next_flush()")
        updated, updated_hot, wal_bytes, process = self._execute(_COUNTS, [TABLE])
        return Counts(updated, updated_hot, wal_bytes, cpu_seconds(int(process)))

    def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return tuple(map(float, cursor.fetchone() or ())) if parameters else ()


def compare(bench: Bench, variants: list[Variant], pairs: int, seconds: float) -> None:
    """Print the figures of each variant, and its speed relative to the first, pair by pair."""
    found = defaultdict(list)
    for pair in range(pairs):
        # Each comes first as often as last.
        for variant in variants if pair % 2 == 0 else reversed(variants):
            found[variant].append(bench.measure(variant, seconds))
    print("| fill factor | " + " | ".join(COLUMNS) + " | updates/s of each pair |")
    print("| --- |" + " ---: |" * (len(COLUMNS) + 1))
    for variant in variants:
        columns = zip(*found[variant], strict=True)
        cells = [_spread(*column) for column in zip(columns, COLUMNS.values(), strict=True)]
        ratios = [
            own.updates_per_second / first.updates_per_second
            for own, first in zip(found[variant], found[variants[0]], strict=True)
        ]
        print(f"| {variant} | " + " | ".join([*cells, _spread(ratios, ".2f") + " ×"]) + " |")


def _spread(values: Sequence[float], style: str) -> str:
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:{style}} ({low:{style}}–{high:{style}})"


def main() -> None:
    """Start PostgreSQL, create the table and its drivers, and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fillfactor", description=__doc__)
    parser.add_argument("--pairs", type=int, default=10, help="repetitions of each")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measured span")
    parser.add_argument("--fillfactors", type=int, nargs="+", default=[100, 50])
    options = parser.parse_args()
    variants = [Variant(number) for number in options.fillfactors]
    variants += [Variant(number, is_changed=True) for number in options.fillfactors if number < 100]
    with services.postgres_service() as postgres:
        os.environ.update(services.environment(postgres.url))
        os.chdir(ROOT)
        services.manage(os.environ, "migrate", "--no-input")
        ids = range(1, max(drivers for drivers, _ in SHAPES) + 1)
        services.create_users(
            os.environ, [{"id": i, "email": f"{i}@example.org", "role": "driver"} for i in ids]
        )
        django.setup()
        for drivers, batch in SHAPES:
            print(f"\n{drivers:,} drivers, {batch} fixes in a batch, {options.pairs} times each\n")
            bench = Bench(drivers, batch)
            compare(bench, variants, options.pairs, options.seconds)


if __name__ == "__main__":
    main()
