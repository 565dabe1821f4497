"""Rate limits of single connections, and limits that several connections share."""

import asyncio
from collections.abc import Hashable
from typing import Final

from tracking.conf import conf
from tracking.protocol import CloseCode, RateLimited

# Dropped messages, less those that decayed, after which the connection is closed.
MAX_REFUSED: Final = 100

# The part of a dropped message that each accepted one makes up for: a burst now and then decays
# within minutes, while a client that keeps sending more than a tenth above the rate is closed.
REFUSAL_DECAY: Final = 0.1

# Seconds for which a limit outlives its connections: by then a burst is available again.
LIMIT_LIFETIME: Final = 60.0


class RateLimit:
    """A token bucket: `MAX_FIXES_PER_SECOND` on average, `MAX_FIXES_BURST` at once.

    Each message counts as one, also a batch: only one of its fixes is delivered, and a phone that
    had no network may send all that it gathered.
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
        """Count one message; raise `RateLimited`, with a close code after too many refusals."""
        if not self._rate:
            return
        filled = self._tokens + (now - self._filled_at) * self._rate
        # More than a burst only after `catch_up`.
        self._tokens = min(filled, max(self._burst, self._tokens))
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            self._refused = max(0.0, self._refused - REFUSAL_DECAY)
            return
        self._refused += 1
        error = RateLimited()
        if self._refused >= MAX_REFUSED:
            error.close_code = CloseCode.TOO_MANY_REQUESTS
        raise error

    def catch_up(self, now: float) -> None:
        """Allow all messages that the rate has allowed since the last one to come at once.

        Call this after a pause in which the socket was not read: the client went on sending.
        """
        self._tokens += (now - self._filled_at) * self._rate
        self._filled_at = now


class SharedLimits:
    """One `RateLimit` for each key, shared by all connections that join with it.

    It outlives them by `LIMIT_LIFETIME`, so that a new connection does not get a new burst.
    """

    def __init__(self) -> None:
        self._limits: dict[Hashable, RateLimit] = {}
        self._connections: dict[Hashable, int] = {}
        # By key without a connection, the timer that deletes its limit.
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._limits)

    def join(self, key: Hashable) -> RateLimit:
        """Return the limit for one more connection, which must call `leave` when it ends."""
        # Otherwise the timer of an earlier `leave` would delete the limit of a client that is back.
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = RateLimit(asyncio.get_running_loop().time())
        self._connections[key] = self._connections.get(key, 0) + 1
        return limit

    def leave(self, key: Hashable) -> None:
        """Stop counting a connection."""
        self._connections[key] -= 1
        if not self._connections[key]:
            self._timers[key] = asyncio.get_running_loop().call_later(
                LIMIT_LIFETIME, self._forget, key
            )

    def _forget(self, key: Hashable) -> None:
        del self._timers[key], self._connections[key], self._limits[key]
