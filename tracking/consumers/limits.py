"""How much a connection may send."""

from typing import Final

from tracking.conf import conf
from tracking.protocol import CloseCode, RateLimited

# So many messages dropped that were not forgiven, and it is no accident.
MAX_REFUSED: Final = 100

# What a message that was taken forgives of one that was dropped: a burst now and then is forgotten
# within minutes, while whoever keeps sending more than a tenth above the rate is closed in the end.
FORGIVEN: Final = 0.1


class RateLimit:
    """A token bucket: `MAX_FIXES_PER_SECOND` on the average, `MAX_FIXES_BURST` at once.

    Whatever is sent counts as one, a batch too, because one fix of it goes on.
    """

    __slots__ = ("_burst", "_filled_at", "_rate", "_refused", "_tokens")

    def __init__(self, now: float) -> None:
        """`now`, here and below, is a monotonic time in seconds."""
        self._rate: float = conf.MAX_FIXES_PER_SECOND
        self._burst: float = conf.MAX_FIXES_BURST
        self._tokens = self._burst
        self._filled_at = now
        self._refused = 0.0

    def take(self, now: float) -> None:
        """Count one message; raise `RateLimited`, which closes when it goes on."""
        if not self._rate:
            return
        self._tokens = min(self._tokens + (now - self._filled_at) * self._rate, self._burst)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            self._refused = max(0.0, self._refused - FORGIVEN)
            return
        self._refused += 1
        error = RateLimited()
        if self._refused >= MAX_REFUSED:
            error.close_code = CloseCode.TOO_MANY_REQUESTS
        raise error
