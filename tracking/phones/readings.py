"""Conversion of what phone apps send to measurements.

Each app has its own units, and its own values for "unknown".
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

# A time whose offset lost its +, which means a space in a query unless it is escaped.
_UNESCAPED_PLUS: Final = re.compile(r"([T ][0-9]{2}:[0-9]{2}[0-9:.,]*) ([0-9]{2}(?::?[0-9]{2})?)")


class Report(NamedTuple):
    """A request's measurements, in its order, and verdicts on the messages that were rejected.

    Both are empty for a sign of life without a location.
    """

    measurements: list[Measurement]
    rejected: list[Verdict]


def report(messages: Iterable[Callable[[], Measurement | None]]) -> Report:
    """Read and check each message on its own; return the report.

    A message is a function that returns its measurement, or None if it has no location, or raises
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
    battery: object = None,
    charging: object = None,
    mock: object = None,
) -> Measurement | None:
    """Return a measurement, with None for unknown values. `speed` is in m/s.

    What the app says of the phone, `battery` in percent and the two after it, may be of any type:
    it never refuses a location.

    Return None if there is no location: neither coordinate is given, or both are 0 with a negative
    accuracy.
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
        battery=_percent(battery),
        charging=_truth(charging),
        mock=_truth(mock),
    )


def _percent(value: object) -> float | None:
    try:
        percent = float(value)  # type: ignore[arg-type]  # anything else is a TypeError
    except (TypeError, ValueError, OverflowError):
        return None
    return percent if 0 <= percent <= 100 else None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


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
    """Return the UTC time of an ISO 8601 text, UTC by default; raise `InvalidMessage`."""
    text = text.strip()
    if match := _UNESCAPED_PLUS.search(text):
        text = f"{text[: match.start()]}{match[1]}+{match[2]}{text[match.end() :]}"
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidMessage("the timestamp must be ISO 8601 or seconds since 1970") from error


def number(name: str, text: str | None) -> float | None:
    """Return a query parameter's number, None for "", NaN and infinity; raise `InvalidMessage`."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidMessage(f"{name} must be a number") from error
    return value if math.isfinite(value) else None
