"""What a device's clock is worth, judged by what the device does.

A clock that is off by a constant is corrected by that amount. What a device sends late is either
measured late, by a clock that is behind, or sent late, from a queue that gathered while there was
no network. A message that says when it was sent decides between the two. Without that, a lag that
stays the same while time goes on is a clock; a lag that shrinks, a faster pace and a batch are a
backlog, and in doubt it is a backlog.
"""

from datetime import datetime, timedelta
from typing import Final

# Receivers that lost the count of weeks, which has 10 bits in GPS, are 1,024 weeks behind.
ROLLOVER: Final = timedelta(weeks=1024)
# No app's queue holds fixes for longer, so what is behind by more is a clock.
MAX_BACKLOG: Final = timedelta(days=30)
# A clock that is behind by less is not corrected, nor is the offset shown: phones and networks take
# as long to report.
WORTH_KNOWING: Final = timedelta(seconds=5)
# Lags that differ by no more than this are the same: mobile networks are not punctual.
STEADY: Final = timedelta(seconds=2)
# How far the pace of a device's times may be from that of real time, and what networks add to that.
PACE: Final = 0.1
JITTER: Final = timedelta(seconds=0.5)
# Fixes with the same lag that make it a clock's; and messages, where they say when they were made.
FIXES: Final = 5
MESSAGES: Final = 2
# Two messages prove little if they were sent in one go, and held up together.
MESSAGES_APART: Final = timedelta(seconds=2)

_MICROSECOND: Final = timedelta(microseconds=1)
_ZERO: Final = timedelta()


class Lags:
    """Lags that are the same so far: between a device's times and their arrivals."""

    __slots__ = ("_arrived", "_began", "_longest", "count", "last", "shortest")

    def __init__(self, now: datetime, time: datetime) -> None:
        self._arrived, self._began = now, time
        self.last = time
        self.shortest = self._longest = now - time
        self.count = 1

    def add(self, now: datetime, time: datetime) -> bool:
        """Count a later time; return False if its lag is another."""
        lag = now - time
        self.shortest, self._longest = min(self.shortest, lag), max(self._longest, lag)
        self.last = time
        self.count += 1
        return self._longest - self.shortest <= STEADY

    def are_a_clocks(self, now: datetime, needed: int, apart: timedelta) -> bool:
        """Tell whether `needed` of them, over `apart` or longer, came at real time's pace."""
        elapsed = now - self._arrived
        is_real_time = abs(self.last - self._began - elapsed) <= max(PACE * elapsed, JITTER)
        return is_real_time and self.count >= needed and elapsed >= apart


class DeviceClock:
    """The clock of one device: what is to be added to its times.

    `offset` is what is known of it from before, in seconds.
    """

    __slots__ = ("_corrected", "_lags", "_looked_right", "_measured", "_offset")

    def __init__(self, offset: float | None = None) -> None:
        self._offset: timedelta | None = None if offset is None else timedelta(seconds=offset)
        # The latest time that the device gave, and what it was corrected to.
        self._measured: datetime | None = None
        self._corrected: datetime | None = None
        self._lags: Lags | None = None
        self._looked_right = False

    @property
    def offset(self) -> float | None:
        """Return the seconds by which the device's clock is behind, None if hardly any."""
        if self._offset is None or abs(self._offset) < WORTH_KNOWING:
            return None
        return round(self._offset.total_seconds(), 3)

    def correct(
        self,
        now: datetime,
        measured: datetime,
        *,
        sent: datetime | None = None,
        queued: bool = False,
        batch: bool = False,
    ) -> datetime:
        """Return when a fix that arrived `now` was measured, which is never later than `now`.

        `measured` and `sent` are times of the device's clock, all three aware. With `queued`,
        `sent` is when the message was made: the app may have kept it. A `batch` is a backlog.
        """
        measured = _without_rollover(now, measured)
        self._notice_set_right(now, measured)
        if sent is not None:
            self._learn_from_message(now, _without_rollover(now, sent), queued=queued)
        elif not batch and measured != self._measured:
            self._learn(now, measured, FIXES, _ZERO)
        corrected = self._add_offset(now, measured)
        return self._in_order(measured, corrected)

    def correct_older(self, now: datetime, measured: datetime) -> datetime:
        """Return when an older fix of the message that `correct` was called for was measured.

        It says nothing new about the clock.
        """
        measured = _without_rollover(now, measured)
        try:
            corrected = min(measured + (self._offset or _ZERO), now)
        except OverflowError:  # in the year 1, by a clock that is ahead
            corrected = measured
        return self._in_order(measured, corrected)

    def _notice_set_right(self, now: datetime, measured: datetime) -> None:
        """Notice that a clock that was ahead was set right: its times are those of arrival.

        One time may be so by chance, of a fix that was held back.
        """
        ahead = (self._offset or _ZERO) <= -WORTH_KNOWING
        looks_right = ahead and _ZERO <= now - measured < WORTH_KNOWING
        if looks_right and self._looked_right:
            self._set(_ZERO)
        self._looked_right = looks_right

    def _learn_from_message(self, now: datetime, sent: datetime, *, queued: bool) -> None:
        lag = now - sent
        if lag < (self._offset or _ZERO) or (
            self._offset is None and (not queued or lag > MAX_BACKLOG)
        ):
            # Networks and queues only ever delay: the shortest lag is the clock's.
            self._set(lag)
        else:
            self._learn(now, sent, MESSAGES, MESSAGES_APART)

    def _learn(self, now: datetime, time: datetime, needed: int, apart: timedelta) -> None:
        """Take a lag for the clock's once it stayed the same `needed` times, over `apart`."""
        if abs(now - time - (self._offset or _ZERO)) < WORTH_KNOWING:
            self._lags = None
        elif self._lags is None or time <= self._lags.last or not self._lags.add(now, time):
            self._lags = Lags(now, time)
        elif self._lags.are_a_clocks(now, needed, apart):
            self._set(self._lags.shortest)

    def _set(self, offset: timedelta) -> None:
        if offset > (self._offset or _ZERO):
            # Times from before are not comparable: the clock may have been set back.
            self._measured = self._corrected = None
        self._offset = offset
        self._lags = None

    def _add_offset(self, now: datetime, measured: datetime) -> datetime:
        lag = now - measured
        offset = self._offset or _ZERO
        if lag < offset:
            # It would lie in the future: the clock is ahead, or less behind than it was.
            offset = _ZERO if _ZERO <= lag < WORTH_KNOWING else lag
            self._offset = offset
        elif _ZERO < offset < WORTH_KNOWING:
            offset = _ZERO
        return measured + offset

    def _in_order(self, measured: datetime, corrected: datetime) -> datetime:
        """Keep what the device measured in order in order, also while the offset is adjusted."""
        if self._measured is None or self._corrected is None or measured > self._measured:
            if self._corrected is not None and corrected <= self._corrected:
                corrected = self._corrected + _MICROSECOND
            self._measured, self._corrected = measured, corrected
            return corrected
        if measured == self._measured:
            return self._corrected
        return min(corrected, self._corrected - _MICROSECOND)


def _without_rollover(now: datetime, time: datetime) -> datetime:
    """Return `time` with the weeks that a receiver's count has lost."""
    rollovers = round((now - time) / ROLLOVER)
    if rollovers < 1:
        return time
    whole = time + rollovers * ROLLOVER
    return whole if abs(now - whole) <= MAX_BACKLOG else time
