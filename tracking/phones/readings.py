"""What apps on phones say of a fix, and how that becomes a measurement.

They have units of their own, and numbers for what they do not know: -1, or an accuracy of 0.
"""

import math
from datetime import UTC, datetime
from typing import Final

from tracking.protocol import InvalidMessage, Measurement

# In metres per second.
KILOMETRE_PER_HOUR: Final = 1000 / 3600
KNOT: Final = 1852 / 3600


def measurement(
    lat: float | str | None,
    lon: float | str | None,
    recorded_at: datetime | None,
    *,
    heading: float | None,
    speed: float | None,
    accuracy: float | None,
) -> Measurement:
    """Return the measurement; speed in m/s, and None for what is unknown, in whatever way."""
    return Measurement(
        lat,
        lon,
        recorded_at,
        heading=heading % 360 if heading is not None and heading >= 0 else None,
        speed=speed if speed is not None and speed >= 0 else None,
        accuracy=accuracy if accuracy is not None and accuracy > 0 else None,
    )


def from_epoch(seconds: float) -> datetime:
    """Return the aware UTC time; raise `InvalidMessage` beyond the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidMessage("the timestamp must be seconds since 1970") from error


def from_text(text: str) -> datetime:
    """Return the aware time of ISO 8601, UTC where no offset is given; raise `InvalidMessage`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidMessage("the timestamp must be ISO 8601 or seconds since 1970") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def number(name: str, text: str | None) -> float | None:
    """Return a query parameter's number, None for NaN; raise `InvalidMessage`."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidMessage(f"{name} must be a number") from error
    return value if math.isfinite(value) else None
