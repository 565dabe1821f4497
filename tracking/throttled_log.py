"""What keeps failing is logged once in a while, with a count, and not a thousand times."""

import logging
import time
from collections.abc import Callable
from typing import Final

PERIOD: Final = 60.0


class Throttle(logging.Filter):
    """Lets each warning or error of a logger pass once per period of seconds.

    The next one that passes says how many were left out. Messages are told apart by their text
    before arguments are put in, so give what varies as arguments. Anything below a warning always
    passes: that something works again must not be left out.

        logger.addFilter(Throttle())
    """

    def __init__(self, period: float = PERIOD, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._period = period
        self._clock = clock
        # By `key`, of which a program has few: when it may pass again, how many were left out.
        self._seen: dict[str, tuple[float, int]] = {}

    def forget(self) -> None:
        """Begin anew: whatever comes next is logged."""
        self._seen.clear()

    def key(self, record: logging.LogRecord) -> str:
        """Return what is the same for records of the same failure."""
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
    """Return an error's class and what it says, for a log.

    Not its `repr`, in which redis-py names the kind of failure and leaves out the reason.
    """
    name, text = type(error).__name__, str(error)
    return f"{name}: {text}" if text else name
