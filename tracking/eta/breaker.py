"""A circuit breaker: whether to ask an engine that has failed. Pure: the caller has the clock."""

from typing import Final

# Failures in a row after which the engine is left alone.
MAX_FAILURES: Final = 3
# Seconds until one request tries it again; doubled with each failure of such a probe.
FIRST_PAUSE: Final = 5.0
MAX_PAUSE: Final = 60.0


class Breaker:
    """Closed at first; open after failures in a row; half-open, with one probe, after a pause.

    Times are seconds of any clock that never goes back.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        # Until when it is open, None while closed.
        self._open_until: float | None = None
        self._is_probing = False

    @property
    def is_closed(self) -> bool:
        """True while the engine works, as far as is known."""
        return self._open_until is None

    def allows(self, now: float) -> bool:
        """Return True if a request may be made; each is followed by one of the calls below."""
        if self._open_until is None:
            return True
        if self._is_probing or now < self._open_until:
            return False
        self._is_probing = True
        return True

    def succeed(self) -> None:
        """Note an answer: close the circuit."""
        self.__init__()  # type: ignore[misc]

    def fail(self, now: float) -> None:
        """Note a failure."""
        if self._open_until is not None:
            # Of requests that were begun before it opened, only the probe's failure counts.
            if self._is_probing:
                self._is_probing = False
                self._pause = min(2 * self._pause, MAX_PAUSE)
                self._open_until = now + self._pause
            return
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self._open_until = now + self._pause

    def cancel(self) -> None:
        """Note that a request was given up without an answer."""
        self._is_probing = False
