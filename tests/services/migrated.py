"""Databases that are migrated once in a process, and copied from then on."""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from .server import manage

SQLITE: Final = "sqlite:///"

# Migrated databases by settings module.
_templates: dict[str, Path] = {}


def migrate(environment: Mapping[str, str]) -> None:
    """Migrate the database of a server, as `manage.py migrate` does.

    That takes 5 s of a core for an empty one. A new SQLite file is copied instead, from one that
    the command has made with the same settings module.
    """
    url = environment["DATABASE_URL"]
    file = Path(unquote(url.removeprefix(SQLITE)))
    if url.startswith(SQLITE) and "?" not in url and not file.exists():
        shutil.copyfile(_template(environment), file)
    else:
        manage(environment, "migrate", "--no-input")


def _template(environment: Mapping[str, str]) -> Path:
    """Return a migrated SQLite database, which is removed when the process ends."""
    settings = environment["DJANGO_SETTINGS_MODULE"]
    if settings not in _templates:
        made, template = (
            Path(_directory().name, f"{settings}.{name}") for name in ("made", "template")
        )
        there = {**environment, "DATABASE_URL": SQLITE + quote(str(made))}
        manage(there, "migrate", "--no-input")
        # With what may still be in its write-ahead log.
        with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(template)) as copy:
            source.backup(copy)
        _templates[settings] = template
    return _templates[settings]


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ridehail-migrated-")
