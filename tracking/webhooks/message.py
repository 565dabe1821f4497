"""The messages of webhooks: an event as it is sent, the same bytes at each attempt."""

import json
from datetime import UTC, datetime
from typing import Final

from tracking.models import Event

# The standard's limit, in bytes.
MAX_BODY: Final = 20_000


def body_of(event: Event) -> bytes:
    """Return the body of a request for an event."""
    content = {"type": event.type, "timestamp": rfc3339(event.occurred_at), "data": event.data}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def rfc3339(time: datetime) -> str:
    """Return an aware time in UTC, such as 2026-11-28T05:00:00.250Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
