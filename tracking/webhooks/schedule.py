"""The schedule of deliveries: when a failed one is attempted again, after Standard Webhooks."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0

# Seconds before each attempt, from the one before: over three days in all.
DELAYS: Final = (
    *(0.0, 5.0, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
# The part of a delay that is added at most, so that the deliveries of a receiver that was down do
# not all come back at once.
JITTER: Final = 0.1
# Seconds that a receiver may ask for at most.
MAX_RETRY_AFTER: Final = 24 * HOUR
# The time without one successful delivery after which an endpoint is disabled.
MAX_FAILING: Final = timedelta(days=5)


def next_attempt(attempts: int, now: datetime, retry_after: float | None) -> datetime | None:
    """Return when to try again after so many `attempts`, or None after the last one.

    A receiver's `retry_after` makes it later, never sooner: the attempts must last for three days.
    """
    if attempts >= len(DELAYS):
        return None
    delay = DELAYS[attempts] * (1 + random.uniform(0, JITTER))  # noqa: S311 - no secret
    return now + timedelta(seconds=max(delay, retry_after or 0.0))


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds of a header `Retry-After`, of either form, or None if it is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        seconds = (at - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
