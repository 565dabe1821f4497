"""The copy of a migrated database is what the command makes."""

import sqlite3
from contextlib import closing

from tests import services

# Times of the migrations, and ids, differ.
ROWS = """
SELECT app, name, '' FROM django_migrations UNION ALL
SELECT app_label, model, '' FROM django_content_type UNION ALL
SELECT app_label, model, codename FROM auth_permission JOIN django_content_type
    ON django_content_type.id = content_type_id
"""
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def content(path):
    with closing(sqlite3.connect(path)) as connection:
        return [sorted(map(str, connection.execute(query))) for query in (SCHEMA, ROWS)]


def test_copied_database_is_what_the_command_makes(tmp_path):
    copied, made = (
        services.environment(f"sqlite:///{tmp_path / name}") for name in ("copied", "made")
    )
    services.migrate(copied)
    services.manage(made, "migrate", "--no-input")
    schema, rows = content(tmp_path / "copied")
    assert [schema, rows] == content(tmp_path / "made")
    assert len(rows) > 100
    assert "No migrations to apply" in services.manage(copied, "migrate")


def test_database_that_has_tables_is_migrated_by_the_command(tmp_path):
    environment = services.environment(f"sqlite:///{tmp_path / 'old'}")
    services.manage(environment, "migrate", "tracking", "0012")
    services.migrate(environment)
    assert "No migrations to apply" in services.manage(environment, "migrate")
