"""A case-insensitive lookup of text, for PostgreSQL and SQLite."""

import re
from typing import Any

from django.db.models import Field
from django.db.models.lookups import IContains
from django.db.models.sql.compiler import SQLCompiler


class ContainsAnyCase(IContains):
    """`icontains` for all letters, also on SQLite, whose own covers ASCII only."""

    lookup_name = "contains_any_case"

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        return IContains(self.lhs, self.rhs).as_sql(compiler, connection)

    def as_sqlite(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        # Django implements REGEXP on SQLite with Python's `re`.
        return f"{column} REGEXP %s", [*parameters, f"(?i){re.escape(str(self.rhs))}"]


Field.register_lookup(ContainsAnyCase)


def any_case(*path: str) -> str:
    """Return the case-insensitive lookup of a field, given by its path of names."""
    return "__".join((*path, ContainsAnyCase.lookup_name))
