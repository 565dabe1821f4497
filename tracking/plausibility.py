"""Implausible fixes: which ones are flagged, and why. No I/O.

A jump is a step that is faster than any car. A fix is flagged as JUMP if the track jumps to it and
with the next fix back again. A jump without a return, as after a ferry, proves no error: the car is
where it is. Nor does a return after several fixes: real taxis show none, and in a track that is too
fast as a whole, such as a day replayed in minutes, that rule would flag 8 % of the fixes, this one
0.5 %.

A fix that is timed by its arrival (`recorded_at` equals `received_at`) was measured at some earlier
time, and fixes that a network held back arrive in a burst. Steps inside a burst have no speed.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import IntFlag
from typing import Final, Protocol, TypeVar

from tracking.geo import distance

# Metres per second (252 km/h). Of 10,310 steps of real taxis, motorways included, 99.9 % are below
# 33 m/s. The seven from 36 to 54 m/s are of receivers that gave an old place, some for minutes, and
# then the right one: none of them returns.
MAX_SPEED: Final = 70.0
# The times of both fixes may be wrong by this much together: many devices give whole seconds.
TIME_ERROR: Final = 1.0  # seconds
# The same if a fix is timed by its arrival: mobile networks delay some fixes by seconds.
ARRIVAL_ERROR: Final = 5.0  # seconds
# Fixes timed by their arrival that are closer than this came in a burst.
BURST: Final = 1.0  # seconds
# The places of both fixes may be wrong by this much together, beyond the accuracies they report:
# phones report errors of 80 m, and more between high buildings, as a few metres.
PLACE_ERROR: Final = 100.0  # metres

# A worse accuracy is no place in a street, in metres.
MAX_ACCURACY: Final = 100.0
# A better fix this near in time says more about the place.
BESIDE: Final = timedelta(seconds=60)

# The fixes that wait at most for later ones to be judged: a minute at four a second. If more come,
# the oldest is judged without them.
MAX_WAITING: Final = 256

# In degrees of latitude plus longitude: at most 167 m, which is within the errors of any two fixes.
_NEAR: Final = 0.0015


class Flags(IntFlag):
    """Reasons why a fix does not count for distance, and moves no dot."""

    JUMP = 1
    MOCK = 2
    INACCURATE = 4


class Measured(Protocol):
    """A fix, as far as its plausibility depends on it."""

    @property
    def latitude(self) -> float: ...

    @property
    def longitude(self) -> float: ...

    @property
    def recorded_at(self) -> datetime: ...

    @property
    def received_at(self) -> datetime: ...

    @property
    def accuracy(self) -> float | None: ...

    @property
    def mock(self) -> bool: ...


F = TypeVar("F", bound=Measured)

_GOOD: Final = Flags(0)


def is_jump(before: Measured, after: Measured) -> bool:
    """Return True if no car gets from one fix to the other in time; they may be in any order."""
    latitude_1, longitude_1 = before.latitude, before.longitude
    latitude_2, longitude_2 = after.latitude, after.longitude
    if abs(latitude_2 - latitude_1) + abs(longitude_2 - longitude_1) < _NEAR:
        return False
    time_1, time_2 = before.recorded_at, after.recorded_at
    seconds = abs((time_2 - time_1).total_seconds())
    is_arrival_1, is_arrival_2 = time_1 == before.received_at, time_2 == after.received_at
    if is_arrival_1 and is_arrival_2 and seconds < BURST:
        return False
    error = ARRIVAL_ERROR if is_arrival_1 or is_arrival_2 else TIME_ERROR
    accuracies = (before.accuracy or 0.0) + (after.accuracy or 0.0)
    reach = MAX_SPEED * (seconds + error) + PLACE_ERROR + accuracies
    return distance(latitude_1, longitude_1, latitude_2, longitude_2) > reach


def is_inaccurate(fix: Measured, other: Measured) -> bool:
    """Return True if the accuracy of a fix is bad and that of another near in time is good."""
    return (
        fix.accuracy is not None
        and other.accuracy is not None
        and other.accuracy <= MAX_ACCURACY < fix.accuracy
        and not other.mock
        and abs(fix.recorded_at - other.recorded_at) <= BESIDE
    )


def judge(fix: Measured, good: Measured | None, suspect: Measured | None = None) -> Flags:
    """Return the reason why a newly arrived fix does not move the dot; no flag if it does.

    `good` is the fix that the dot shows. `suspect` is a fix after it that got JUMP, if any. Then
    the new fix decides: the track is back, or the car is elsewhere, and it moves the dot.
    """
    if fix.mock:
        return Flags.MOCK
    if good is None:
        return _GOOD
    if is_inaccurate(fix, good):
        return Flags.INACCURATE
    if suspect is None and is_jump(good, fix):
        return Flags.JUMP
    return _GOOD


def flagged(fixes: Iterable[F]) -> Iterator[tuple[F, Flags]]:
    """Yield the fixes of a track, in the order of `recorded_at`, each with its flag.

    A fix waits for at most MAX_WAITING later ones that decide about it. A wrong place at the begin
    or the end of the track is not flagged as JUMP: to judge a window, add some fixes on both sides.
    """
    return _find_jumps(_find_inaccurate(fixes))


def _find_inaccurate(fixes: Iterable[F]) -> Iterator[tuple[F, Flags]]:
    """Yield the fixes with MOCK and INACCURATE."""
    # Begins with a fix of bad accuracy, while a better one may follow.
    waiting: deque[tuple[F, Flags]] = deque()
    better: F | None = None
    for fix in fixes:
        flags, accuracy = _GOOD, fix.accuracy
        may_improve = False
        if fix.mock:
            flags = Flags.MOCK
        elif accuracy is not None and accuracy <= MAX_ACCURACY:
            better = fix
            while waiting:
                other, its_flags = waiting.popleft()
                if not its_flags and is_inaccurate(other, fix):
                    its_flags = Flags.INACCURATE
                yield other, its_flags
        elif better is not None and is_inaccurate(fix, better):
            flags = Flags.INACCURATE
        else:
            may_improve = accuracy is not None
        if not waiting and not may_improve:
            yield fix, flags
            continue
        waiting.append((fix, flags))
        while fix.recorded_at - waiting[0][0].recorded_at > BESIDE or len(waiting) > MAX_WAITING:
            yield waiting.popleft()
    yield from waiting


def _find_jumps(judged: Iterable[tuple[F, Flags]]) -> Iterator[tuple[F, Flags]]:
    """Yield the fixes with JUMP added; those that have a flag already are left out of account."""
    good: F | None = None
    suspect: F | None = None
    waiting: deque[tuple[F, Flags]] = deque()  # what came after the suspect, all with a flag
    for fix, flags in judged:
        if flags and suspect is None:
            yield fix, flags
            continue
        if flags and len(waiting) < MAX_WAITING:
            waiting.append((fix, flags))
            continue
        if good is not None and suspect is not None:
            is_outlier = not flags and is_jump(suspect, fix) and not is_jump(good, fix)
            good = good if is_outlier else suspect
            yield suspect, Flags.JUMP if is_outlier else _GOOD
            yield from waiting
            waiting.clear()
            suspect = None
        if flags:
            yield fix, flags
        elif good is not None and is_jump(good, fix):
            suspect = fix
        else:
            good = fix
            yield fix, flags
    if suspect is not None:
        yield suspect, _GOOD
        yield from waiting
