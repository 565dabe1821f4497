"""What apps on phones say of a fix, and how that becomes a measurement.

They have units of their own, and say in ways of their own that they know nothing.
"""

import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tracking.protocol import (
    InvalidMessage,
    Measurement,
    Verdict,
    known_accuracy,
    known_heading,
    known_speed,
    place,
)

# In metres per second.
KILOMETRE_PER_HOUR: Final = 1000 / 3600
KNOT: Final = 1852 / 3600

# An offset whose + arrived unescaped in a query, where that is a space.
_UNESCAPED_PLUS: Final = re.compile(r"([T ][0-9]{2}:[0-9]{2}[0-9:.,]*) ([0-9]{2}(?::?[0-9]{2})?)")


class Report(NamedTuple):
    """What a request says: what was measured, in the order of the request, and what is wrong with
    the rest. Neither is there if the phone says only that it is alive.
    """

    measurements: list[Measurement]
    rejected: list[Verdict]


def report(messages: Iterable[Callable[[], Measurement | None]]) -> Report:
    """Return the report of messages, each of which is read and judged by itself.

    A message is a function that returns its measurement, or None if it has no place, and raises
    `InvalidMessage`.
    """
    found = Report([], [])
    for index, read in enumerate(messages):
        try:
            measured = read()
            if measured is not None:
                place(measured)
                found.measurements.append(measured)
        except InvalidMessage as error:
            found.rejected.append(Verdict(index, error.code, str(error)))
    return found


def measurement(
    lat: float | str | None,
    lon: float | str | None,
    recorded_at: datetime | None,
    *,
    heading: float | None,
    speed: float | None,
    accuracy: float | None,
    sent_at: datetime | None = None,
) -> Measurement | None:
    """Return the measurement, speed in m/s, and None for what is unknown, in whatever way.

    None in its stead if there is no place: none is given, or 0, 0 with a negative accuracy.
    """
    nowhere = _is_zero(lat) and _is_zero(lon) and accuracy is not None and accuracy < 0
    if nowhere or (lat in (None, "") and lon in (None, "")):
        return None
    return Measurement(
        lat,
        lon,
        recorded_at,
        heading=known_heading(heading),
        speed=known_speed(speed),
        accuracy=known_accuracy(accuracy),
        sent_at=sent_at,
    )


def _is_zero(degrees: float | str | None) -> bool:
    try:
        return degrees is not None and not float(degrees)
    except ValueError:
        return False


def from_epoch(seconds: float) -> datetime:
    """Return the aware UTC time; raise `InvalidMessage` beyond the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidMessage("the timestamp must be seconds since 1970") from error


def from_text(text: str) -> datetime:
    """Return the UTC time of ISO 8601, UTC where no offset is given; raise `InvalidMessage`."""
    text = text.strip()
    if match := _UNESCAPED_PLUS.search(text):
        text = f"{text[: match.start()]}{match[1]}+{match[2]}{text[match.end() :]}"
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidMessage("the timestamp must be ISO 8601 or seconds since 1970") from error


def number(name: str, text: str | None) -> float | None:
    """Return a query parameter's number, None for NaN; raise `InvalidMessage`."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidMessage(f"{name} must be a number") from error
    return value if math.isfinite(value) else None
