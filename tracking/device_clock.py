"""Correction of devices' clocks, from the times that devices send.

A clock that is off by a constant is corrected by that amount. A fix that seems late was either
measured by a clock that is behind, or sent late, from a queue that gathered without a network. A
message with the time when it was sent decides between the two. Without one, a lag that stays the
same while time goes on means a clock that is behind; a lag that shrinks, a faster pace or a batch
means a backlog. In doubt it is a backlog.
"""

from datetime import datetime, timedelta
from typing import Final

# GPS counts weeks with 10 bits: receivers that miss a rollover are 1,024 weeks behind.
ROLLOVER: Final = timedelta(weeks=1024)
# No app queues fixes for longer, so a longer lag means a clock that is behind.
MAX_BACKLOG: Final = timedelta(days=30)
# A smaller offset of a clock that is behind is neither corrected nor shown: phones and networks
# take as long to report.
MIN_OFFSET: Final = timedelta(seconds=5)
# Lags that differ by no more than this count as equal, as the delay of mobile networks varies.
MAX_LAG_SPREAD: Final = timedelta(seconds=2)
# The pace of a device's times may differ from real time by this share, or by the jitter of
# networks.
MAX_PACE_ERROR: Final = 0.1
JITTER: Final = timedelta(seconds=0.5)
# The fixes with an equal lag that prove a clock's offset; and the messages, if they have a send
# time.
MIN_FIXES: Final = 5
MIN_MESSAGES: Final = 2
# The messages must span this time: two that were sent at once may have been delayed together.
MIN_MESSAGE_SPAN: Final = timedelta(seconds=2)

_MICROSECOND: Final = timedelta(microseconds=1)
_ZERO: Final = timedelta()


class Lags:
    """A series of equal lags, the differences between a device's times and their arrivals."""

    __slots__ = ("_arrived", "_began", "_longest", "count", "last", "shortest")

    def __init__(self, now: datetime, time: datetime) -> None:
        self._arrived, self._began = now, time
        self.last = time
        self.shortest = self._longest = now - time
        self.count = 1

    def add(self, now: datetime, time: datetime) -> bool:
        """Add a later time; return False if its lag differs from the others."""
        lag = now - time
        self.shortest, self._longest = min(self.shortest, lag), max(self._longest, lag)
        self.last = time
        self.count += 1
        return self._longest - self.shortest <= MAX_LAG_SPREAD

    def is_clock_offset(self, now: datetime, needed: int, span: timedelta) -> bool:
        """Return True if `needed` times or more, over `span` or more, came at real time's pace."""
        elapsed = now - self._arrived
        is_real_time = abs(self.last - self._began - elapsed) <= max(
            MAX_PACE_ERROR * elapsed, JITTER
        )
        return is_real_time and self.count >= needed and elapsed >= span


class DeviceClock:
    """The clock of one device, which corrects its times.

    `offset` is the offset known from before, in seconds.
    """

    __slots__ = ("_corrected", "_lags", "_looked_right", "_measured", "_offset")

    def __init__(self, offset: float | None = None) -> None:
        self._offset: timedelta | None = None if offset is None else timedelta(seconds=offset)
        # The device's latest time, and that time corrected.
        self._measured: datetime | None = None
        self._corrected: datetime | None = None
        self._lags: Lags | None = None
        self._looked_right = False

    @property
    def offset(self) -> float | None:
        """The seconds by which the device's clock is behind; None if less than MIN_OFFSET."""
        if self._offset is None or abs(self._offset) < MIN_OFFSET:
            return None
        # To the microsecond: with it, the clock of the next connection gives a fix that is sent
        # again the same time.
        return self._offset.total_seconds()

    def correct(
        self,
        now: datetime,
        measured: datetime,
        *,
        sent: datetime | None = None,
        queued: bool = False,
        batch: bool = False,
    ) -> datetime:
        """Return when a fix that arrived at `now` was measured, never later than `now`.

        `measured` and `sent` are times of the device's clock; all three are aware. With `queued`,
        `sent` is when the message was created: the app may have queued it. With `batch`, the fix is
        part of a backlog.
        """
        measured = _without_rollover(now, measured)
        self._detect_reset(now, measured)
        if sent is not None:
            self._update_from_message(now, _without_rollover(now, sent), queued=queued)
        elif not batch and measured != self._measured:
            self._update(now, measured, MIN_FIXES, _ZERO)
        corrected = self._add_offset(now, measured)
        return self._in_order(measured, corrected)

    def correct_older(self, now: datetime, measured: datetime) -> datetime:
        """Return when an older fix of the message that `correct` was called for was measured.

        It does not update the offset.
        """
        measured = _without_rollover(now, measured)
        try:
            corrected = min(measured + self._applied(), now)
        except OverflowError:  # in the year 1, by a clock that is ahead
            corrected = measured
        return self._in_order(measured, corrected)

    def _detect_reset(self, now: datetime, measured: datetime) -> None:
        """Reset the offset once a clock that was ahead was corrected: its times match the arrivals.

        It takes two such times, as one may match by chance: a fix that was delayed.
        """
        ahead = (self._offset or _ZERO) <= -MIN_OFFSET
        looks_right = ahead and _ZERO <= now - measured < MIN_OFFSET
        if looks_right and self._looked_right:
            self._set(_ZERO)
        self._looked_right = looks_right

    def _update_from_message(self, now: datetime, sent: datetime, *, queued: bool) -> None:
        lag = now - sent
        if lag < (self._offset or _ZERO) or (
            self._offset is None and (not queued or lag > MAX_BACKLOG)
        ):
            # Networks and queues can only delay, so the shortest lag is the clock's offset.
            self._set(lag)
        else:
            self._update(now, sent, MIN_MESSAGES, MIN_MESSAGE_SPAN)

    def _update(self, now: datetime, time: datetime, needed: int, span: timedelta) -> None:
        """Set the offset to a lag that stayed equal for `needed` times and over `span`."""
        if abs(now - time - (self._offset or _ZERO)) < MIN_OFFSET:
            self._lags = None
        elif self._lags is None or time <= self._lags.last or not self._lags.add(now, time):
            self._lags = Lags(now, time)
        elif self._lags.is_clock_offset(now, needed, span):
            self._set(self._lags.shortest)

    def _set(self, offset: timedelta) -> None:
        if offset > (self._offset or _ZERO):
            # Earlier times are not comparable: the clock may have been set back.
            self._measured = self._corrected = None
        self._offset = offset
        self._lags = None

    def _add_offset(self, now: datetime, measured: datetime) -> datetime:
        lag = now - measured
        if lag < (self._offset or _ZERO):
            # The result would be in the future: the clock is ahead, or less behind than before.
            self._offset = _ZERO if _ZERO <= lag < MIN_OFFSET else lag
        return measured + self._applied()

    def _applied(self) -> timedelta:
        """Return the offset to add to the device's times."""
        offset = self._offset or _ZERO
        return _ZERO if _ZERO < offset < MIN_OFFSET else offset

    def _in_order(self, measured: datetime, corrected: datetime) -> datetime:
        """Keep the device's order of times, also while the offset changes."""
        if self._measured is None or self._corrected is None or measured > self._measured:
            if self._corrected is not None and corrected <= self._corrected:
                corrected = self._corrected + _MICROSECOND
            self._measured, self._corrected = measured, corrected
            return corrected
        if measured == self._measured:
            return self._corrected
        return min(corrected, self._corrected - _MICROSECOND)


def _without_rollover(now: datetime, time: datetime) -> datetime:
    """Return `time` plus the weeks that a GPS receiver lost by rollovers of the week count."""
    rollovers = round((now - time) / ROLLOVER)
    if rollovers < 1:
        return time
    whole = time + rollovers * ROLLOVER
    return whole if abs(now - whole) <= MAX_BACKLOG else time
