"""A logging filter that logs a repeated failure once per period, with a count."""

import logging
import time
from collections.abc import Callable
from typing import Final

PERIOD: Final = 60.0  # seconds


class Throttle(logging.Filter):
    """Pass each warning or error of a logger once per `period` of seconds.

    The next one that passes says how many were left out. Messages are compared by their format
    string, so pass what varies as arguments. Records below WARNING always pass, such as the message
    that something works again.

        logger.addFilter(Throttle())
    """

    def __init__(self, period: float = PERIOD, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._period = period
        self._clock = clock
        # By `key`, of which a program has few: the time of the next pass, the number left out.
        self._seen: dict[str, tuple[float, int]] = {}

    def forget(self) -> None:
        """Reset the filter, so that the next record of each key passes."""
        self._seen.clear()

    def key(self, record: logging.LogRecord) -> str:
        """Return a key that records of the same failure share."""
        return str(record.msg)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        now = self._clock()
        key = self.key(record)
        next_time, left_out = self._seen.get(key, (now, 0))
        if now < next_time:
            self._seen[key] = next_time, left_out + 1
            return False
        self._seen[key] = now + self._period, 0
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more since it was last logged)"
            record.args = ()
        return True


def reason(error: BaseException) -> str:
    """Return an error's class and message, for a log.

    `repr` will not do: for redis-py's errors it leaves out the reason.
    """
    name, text = type(error).__name__, str(error)
    return f"{name}: {text}" if text else name
