"""The ids of users: positive integers, or UUIDs if the project's user model has such a key.

The kinds differ here, and in REST framework's and Django's classes for them in
`tracking.rest.fields` and `tracking.urls`; `tracking.people.USER_IDS` is the project's kind. The
rest of the app only passes ids on, compares and sorts them.
"""

import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import ClassVar, Final, Protocol, TypeAlias
from uuid import UUID

UserId: TypeAlias = int | UUID
# A driver's id is its user's id.
DriverId: TypeAlias = UserId

# The maximum of a PostgreSQL bigint, the type of Django's keys.
MAX_ID: Final = 2**63 - 1

_INTEGER: Final = re.compile(r"[0-9]{1,19}")
# RFC 9562: written in lower case, read in either case. Braces, `urn:uuid:` and missing dashes are
# refused.
UUID_PATTERN: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_UUID: Final = re.compile(UUID_PATTERN)


class Ids(Protocol):
    """One kind of ids: its parsing, routing, storage and description."""

    # For error messages, after "a" or "one".
    description: ClassVar[str]
    # Django's path converter.
    converter: ClassVar[str]
    # PostgreSQL's type, and SQLite's expression that converts an id in JSON to the stored value.
    sql_type: ClassVar[str]
    sqlite_value: ClassVar[str]
    # JSON Schema, and two examples.
    schema: ClassVar[Mapping[str, object]]
    examples: ClassVar[tuple[int | str, int | str]]
    # Less than any id.
    lowest: ClassVar[UserId]

    def parse(self, text: str) -> UserId | None:
        """Return the id of a client's text; None if it is not an id."""

    def parse_claim(self, claim: object) -> UserId | None:
        """Return the id in a token's claim; None if it is not an id."""

    def is_storable(self, user_id: UserId) -> bool:
        """Return True if the database's type can hold an id that was in a URL."""


class IntegerIds:
    """The keys of Django's own user model."""

    description: ClassVar[str] = "positive integer"
    converter: ClassVar[str] = "int"
    sql_type: ClassVar[str] = "bigint"
    sqlite_value: ClassVar[str] = "{}"
    schema: ClassVar[Mapping[str, object]] = {"format": "int64", "type": "integer", "minimum": 1}
    examples: ClassVar[tuple[int | str, int | str]] = (19, 20)
    lowest: ClassVar[UserId] = 0

    def parse(self, text: str) -> UserId | None:
        return self.parse_claim(int(text)) if _INTEGER.fullmatch(text) else None

    def parse_claim(self, claim: object) -> UserId | None:
        if isinstance(claim, str):
            return self.parse(claim)
        return claim if type(claim) is int and 0 < claim <= MAX_ID else None

    def is_storable(self, user_id: UserId) -> bool:
        return isinstance(user_id, int) and user_id <= MAX_ID


class UUIDs:
    """The keys of a user model with a `UUIDField`. On the wire they are strings."""

    description: ClassVar[str] = "UUID"
    converter: ClassVar[str] = "tracking_uuid"
    sql_type: ClassVar[str] = "uuid"
    # As Django stores them: 32 digits.
    sqlite_value: ClassVar[str] = "replace({}, '-', '')"
    schema: ClassVar[Mapping[str, object]] = {"format": "uuid", "type": "string"}
    examples: ClassVar[tuple[int | str, int | str]] = (
        "0c9f3a52-7d1e-4b86-9f0e-5a3c2d1b4e6f",
        "f1d2e3c4-5b6a-4798-8a9b-0c1d2e3f4a5b",
    )
    lowest: ClassVar[UserId] = UUID(int=0)

    def parse(self, text: str) -> UserId | None:
        return UUID(text) if _UUID.fullmatch(text) else None

    def parse_claim(self, claim: object) -> UserId | None:
        return self.parse(claim) if isinstance(claim, str) else None

    def is_storable(self, user_id: UserId) -> bool:
        return isinstance(user_id, UUID)


INTEGERS: Final = IntegerIds()
UUIDS: Final = UUIDs()


def to_plain(user_id: UserId) -> int | str:
    """Return an id in the form that JSON and channel layers can carry."""
    return user_id if isinstance(user_id, int) else str(user_id)


def from_plain(value: int | str) -> UserId:
    """Return the id for a result of `to_plain`."""
    return value if isinstance(value, int) else UUID(value)


_last_id = 0
_last_id_lock: Final = Lock()


def time_ordered_id() -> UUID:
    """Return a new UUID of version 7 (RFC 9562), greater than all that this process made before.

    After 48 bits of Unix time in milliseconds, the next 12 are its fraction, the others random.
    """
    global _last_id
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    number = (milliseconds << 12 | (rest << 12) // 1_000_000) << 62
    number |= int.from_bytes(os.urandom(8), "big") >> 2
    with _last_id_lock:
        number = _last_id = max(number, _last_id + 1)
    high, low = number >> 62, number & (1 << 62) - 1
    # With the version before the last 12 bits of time, and the variant before the random ones.
    return UUID(int=(high >> 12) << 80 | 7 << 76 | (high & 0xFFF) << 64 | 0b10 << 62 | low)


def id_at(at: datetime) -> UUID:
    """Return an id that is less than all that `time_ordered_id` makes from `at` on."""
    return UUID(int=int(at.timestamp() * 1_000) << 80)


def time_of(time_ordered: UUID) -> datetime:
    """Return when an id of `time_ordered_id` was made, in whole milliseconds."""
    return datetime.fromtimestamp((time_ordered.int >> 80) / 1_000, UTC)
