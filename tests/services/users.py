"""Users in a server's database, and their stored locations."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from urllib.parse import unquote, urlsplit

import psycopg

from .process import ServiceError
from .program import PROJECT


def create_users(
    environment: Mapping[str, str], users: Sequence[Mapping[str, Any]]
) -> dict[int, str]:
    """Create users, or overwrite those with the same id; return access tokens by id.

    A user is a dict of the model's fields with at least `id` and `email`. Without a `password` it
    cannot log in with one, which saves the time of hashing; it has a token all the same.
    """
    answer = subprocess.run(
        [sys.executable, "-m", "tests.services.user_factory"],
        env=environment,
        cwd=PROJECT,
        input=json.dumps([dict(user) for user in users]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    if answer.returncode:
        raise ServiceError(f"creating users failed:\n{answer.stderr}")
    return {int(user_id): token for user_id, token in json.loads(answer.stdout).items()}


@dataclass(frozen=True)
class StoredLocation:
    """A row of `tracking.models.DriverLocation`, read without Django."""

    latitude: float
    longitude: float
    accuracy: float | None
    heading: float | None
    speed: float | None
    recorded_at: datetime
    received_at: datetime
    clock_offset: float | None


_ROWS = """
SELECT driver_id, latitude, longitude, accuracy, heading, speed, recorded_at, received_at,
    clock_offset
FROM tracking_driverlocation
"""


def locations(environment: Mapping[str, str]) -> dict[int, StoredLocation]:
    """Return the stored locations by driver id."""
    return {
        driver_id: StoredLocation(*measured, aware(recorded_at), aware(received_at), offset)
        for driver_id, *measured, recorded_at, received_at, offset in read_rows(environment, _ROWS)
    }


def read_rows(environment: Mapping[str, str], query: LiteralString) -> list[tuple[Any, ...]]:
    """Return the rows of a query, which both SQLite and PostgreSQL must understand."""
    url = environment["DATABASE_URL"]
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(unquote(urlsplit(url).path)[1:], timeout=20)) as database:
            return database.execute(query).fetchall()
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def aware(value: datetime | str) -> datetime:
    """Return the time in UTC: Django stores it in SQLite as text without a zone."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)
