"""Each server's database: created once per benchmark, reset before each run, read after it."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.load.scenario import FIRST_RIDER
from benchmarks.load.wire import LATITUDES, longitude

ROOT: Final = Path(__file__).resolve().parent.parent
MAX_DRIVERS: Final = 2_000
MAX_RIDERS: Final = 5_000


@dataclass(frozen=True)
class Table:
    """The table of a server's last locations, and the other columns that its rows need.

    `history` is the table of all fixes, if there is one.
    """

    name: str
    more_columns: str
    more_values: str
    history: str = ""


@dataclass(frozen=True)
class Database:
    """The database of one server."""

    url: str
    table: Table

    def reset(self, drivers: int) -> None:
        """Delete all rows and store fix 0 of each driver, the snapshot for the first watchers."""
        values = ", ".join(
            f"({driver_id}, {LATITUDES[0].decode()}, {longitude(driver_id).decode()},"
            f" {self.table.more_values})"
            for driver_id in range(1, drivers + 1)
        )
        with self._connection() as connection:
            connection.execute(f"DELETE FROM {self.table.name}")  # noqa: S608 - our own constants
            connection.execute(
                f"INSERT INTO {self.table.name}"  # noqa: S608 - our own constants
                f" (driver_id, latitude, longitude, {self.table.more_columns}) VALUES {values}"
            )
            connection.commit()
            if isinstance(connection, psycopg.Connection):
                # Every run starts with a table without dead rows, and no autovacuum due.
                connection.autocommit = True
                connection.execute(f"VACUUM ANALYZE {self.table.name}")
                if self.table.history:
                    connection.execute(f"TRUNCATE {self.table.history}")

    def rows(self) -> list[tuple[int, float, float]]:
        """Return driver id, latitude and longitude of every stored location."""
        with self._connection() as connection:
            query = f"SELECT driver_id, latitude, longitude FROM {self.table.name}"  # noqa: S608
            return list(connection.execute(query))

    def history(self) -> list[tuple[int, float, float]]:
        """Return driver id, latitude and longitude of every fix of the history."""
        with self._connection() as connection:
            columns = "driver_id, latitude_e7 / 1e7, longitude_e7 / 1e7"
            query = f"SELECT {columns} FROM {self.table.history}"  # noqa: S608
            return list(connection.execute(query))

    def create(self, *, schema: Path | None = None, django: tuple[str, Path] | None = None) -> None:
        """Create the tables from an SQL file or a Django project (settings module, folder)."""
        if schema:
            with self._connection() as connection:
                connection.execute(schema.read_text())
                connection.commit()
        if django:
            settings, folder = django
            subprocess.run(  # noqa: S603 - our own constants
                [sys.executable, ROOT / "benchmarks" / "seed.py"],
                env=os.environ
                | {
                    "DJANGO_SETTINGS_MODULE": settings,
                    "DATABASE_URL": self.url,
                    "JWT_SIGNING_KEY": "x" * 50,
                    "BENCHMARK_USERS": f"{MAX_DRIVERS} {FIRST_RIDER} {MAX_RIDERS}",
                    "PYTHONPATH": str(folder),
                },
                cwd=folder,
                check=True,
            )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        path = self.url.removeprefix("sqlite://")
        connection = psycopg.connect(self.url) if path == self.url else sqlite3.connect(path)
        with contextlib.closing(connection):
            yield connection
