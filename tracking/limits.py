"""How much a connection may send."""

from typing import Final

from tracking.conf import conf
from tracking.protocol import CloseCode, RateLimited

# So many messages dropped beyond those taken, and it is no accident.
MAX_REFUSED: Final = 100


class RateLimit:
    """A token bucket: `MAX_FIXES_PER_SECOND` on the average, `MAX_FIXES_BURST` at once.

    Whatever is sent counts as one, a batch too, because one fix of it goes on.
    """

    __slots__ = ("_filled_at", "_refused", "_tokens")

    def __init__(self, now: float) -> None:
        """`now`, here and below, is a monotonic time in seconds."""
        self._tokens = float(conf.MAX_FIXES_BURST)
        self._filled_at = now
        self._refused = 0

    def take(self, now: float) -> None:
        """Count one message; raise `RateLimited`, which closes when it goes on."""
        rate = conf.MAX_FIXES_PER_SECOND
        if not rate:
            return
        tokens = self._tokens + (now - self._filled_at) * rate
        self._tokens = min(tokens, float(conf.MAX_FIXES_BURST))
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            self._refused -= self._refused > 0
            return
        self._refused += 1
        error = RateLimited()
        if self._refused >= MAX_REFUSED:
            error.close_code = CloseCode.TOO_MANY_REQUESTS
        raise error
