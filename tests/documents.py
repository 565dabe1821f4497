"""Readers of the protocol's two documents, for tests."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft7Validator

DOCS = Path(__file__).parents[1] / "docs"
ASYNCAPI = DOCS / "asyncapi.json"
PROTOCOL = DOCS / "protocol.md"


class Example(NamedTuple):
    """A JSON block of `protocol.md`, with the number of its section."""

    section: int
    text: str

    @property
    def value(self) -> Any:
        return json.loads(self.text)


def examples() -> list[Example]:
    sections = re.split(r"^## [0-9]+\. .*$", PROTOCOL.read_text(), flags=re.MULTILINE)
    return [
        Example(number, text)
        for number, section in enumerate(sections)
        for text in re.findall(r"^```json\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL)
    ]


def error_table() -> list[tuple[str, str, str]]:
    """Return the rows of the table of errors: code, when, then."""
    section = PROTOCOL.read_text().partition("| code | when | then |\n")[2].partition("\n\n")[0]
    rows = [re.split(r"\s*\|\s*", row.strip("| ")) for row in section.splitlines()[1:]]
    return [(code.strip("`"), when, then) for code, when, then in rows]


@cache
def asyncapi() -> dict[str, Any]:
    return json.loads(ASYNCAPI.read_text())


def resolve(reference: str) -> Any:
    """Return the target of a reference within `asyncapi.json`. Raises KeyError."""
    found: Any = asyncapi()
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def fitting(channel: str, action: str, value: Any) -> list[str]:
    """Return the names of the operation's messages whose schema `value` satisfies."""
    operation = asyncapi()["operations"][f"{channel}.{action}"]
    names = [message["$ref"].rpartition("/")[2] for message in operation["messages"]]
    return [name for name in names if not errors_of(name, value)]


def errors_of(message: str, value: Any) -> list[str]:
    """Return the schema errors of `value` as such a message."""
    payload = asyncapi()["components"]["messages"][message]["payload"]
    schema = {**payload, "components": asyncapi()["components"]}
    if "$ref" in payload:  # draft 07 ignores the keywords beside it
        schema = {"allOf": [payload], "components": asyncapi()["components"]}
    return [error.message for error in Draft7Validator(schema).iter_errors(value)]
