"""A lookup that finds text in any case, on every database that locations are stored in."""

import re
from typing import Any

from django.db.models import Field
from django.db.models.lookups import IContains
from django.db.models.sql.compiler import SQLCompiler


class ContainsAnyCase(IContains):
    """`icontains`, which SQLite knows for ASCII letters only, for all letters."""

    lookup_name = "contains_any_case"

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        return IContains(self.lhs, self.rhs).as_sql(compiler, connection)

    def as_sqlite(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        # The function behind it is Django's own, and Python's `re`.
        return f"{column} REGEXP %s", [*parameters, f"(?i){re.escape(str(self.rhs))}"]


Field.register_lookup(ContainsAnyCase)


def any_case(*path: str) -> str:
    """Return the lookup of a field, behind relations or not, by text in any case."""
    return "__".join((*path, ContainsAnyCase.lookup_name))
