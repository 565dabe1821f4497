"""Tables below the fields of the admin's read-only pages, such as the changes of a trip."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

# The rows of a page of a table.
PAGE: Final = 25


class Table(NamedTuple):
    """A table for `admin/tracking/tables.html`. `newer` and `older` are the URLs of other pages."""

    name: str
    title: str
    columns: Sequence[Any]
    rows: Sequence[Sequence[Any]]
    # The text in place of a table without rows.
    empty: str
    newer: str = ""
    older: str = ""


class Paged(NamedTuple):
    """A page of rows, and the URLs of the pages before and after it, or ""."""

    rows: list[Any]
    newer: str
    older: str


def paged(request: HttpRequest, name: str, rows: "QuerySet[Any]") -> Paged:
    """Return the page of `rows` whose number is in the query as `name`. Nothing is counted."""
    given = request.GET.get(name, "")
    # Beyond a million rows nobody turns pages.
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= 5 else 1
    number = max(1, number)
    first = (number - 1) * PAGE
    found = list(rows[first : first + PAGE + 1])

    def url(other: int) -> str:
        query = request.GET.copy()
        query[name] = str(other)
        return f"?{query.urlencode()}#{name}"

    return Paged(
        found[:PAGE],
        url(number - 1) if number > 1 else "",
        url(number + 1) if len(found) > PAGE else "",
    )
