"""Records of trips and of what their riders received, by monotonic time. No I/O.

Everything is judged at the end: only then is it known when each change was committed.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

# Seconds from the commit of a change to its effect on every open stream.
PROMPT = 1.0
# Seconds before its assignment from which on a driver's fixes are shown: GRANT_LEAD_TIME.
LEAD_TIME = 2.0
# Seconds. A notice may arrive before the host's thread has noted the time of the commit.
EARLY = 0.1

# Close codes: refused for good, and a disconnection without a close frame.
FORBIDDEN, ABNORMAL = 4403, 1006
FINAL = ("complete", "canceled")


@dataclass(frozen=True)
class Phase:
    """The state of a trip from a commit on. `assigned_at` is in seconds since the epoch."""

    committed: float
    driver: int | None
    status: str
    assigned_at: float | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@dataclass
class TripLedger:
    """A trip of one rider, and all that it has been.

    A change of it must have taken effect after `prompt` seconds.
    """

    trip_id: int
    rider: int
    phases: list[Phase] = field(default_factory=list)
    prompt: float = PROMPT

    @property
    def moves(self) -> list[Phase]:
        """The phases that began with another driver, or with the end."""
        return [
            after
            for before, after in pairwise(self.phases)
            if before.driver != after.driver or after.is_final
        ]

    def holds(self, driver: int) -> list[tuple[Phase, Phase]]:
        """Return the times in which the driver had the trip: how each began and ended."""
        return [
            (began, ended)
            for began, ended in pairwise([self.phases[0], *self.moves])
            if began.driver == driver
        ]


@dataclass
class Visit:
    """One connection of a rider: the frames with their times, and its end."""

    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    ended: float = math.inf
    code: int | None = None

    def covers(self, at: float) -> bool:
        """Return True if the stream was open at a monotonic time."""
        return bool(self.frames) and self.frames[0][0] < at < self.ended

    @property
    def was_cut(self) -> bool:
        """True if the connection broke, so that it says nothing of the stream's end."""
        return self.code == ABNORMAL


class StreamLedger:
    """The frames that one rider received of a trip, over all connections."""

    # The error with which the server ends the stream.
    end: str

    def __init__(self, trip: TripLedger) -> None:
        self.trip = trip
        self.visits: list[Visit] = []

    @property
    def has_opened(self) -> bool:
        return any(visit.frames for visit in self.visits)

    @property
    def has_ended(self) -> bool:
        """True once the server has refused the stream for good."""
        return bool(self.visits) and self.visits[-1].code == FORBIDDEN

    @property
    def received(self) -> int:
        """The number of frames."""
        return sum(len(visit.frames) for visit in self.visits)

    def leaks(self) -> Iterator[str]:
        """Yield descriptions of the frames that this rider must not have got."""
        raise NotImplementedError

    def delays(self) -> Iterator[tuple[str, float]]:
        """Yield the seconds from each commit to its effect on the open stream, by its kind."""
        raise NotImplementedError

    def _is_wrong(self, at: float, frame: dict[str, Any]) -> bool:
        """Return True for a location that the driver's time with the trip does not explain."""
        for began, ended in self.trip.holds(frame["userId"]):
            if began.committed - EARLY < at < ended.committed + self.trip.prompt:
                return _is_older(frame, began)
        return True


class TripStream(StreamLedger):
    """The stream of the trip."""

    end = "trip_ended"

    def leaks(self) -> Iterator[str]:
        position = 0  # in the trip's phases; it never goes back
        for visit in self.visits:
            shown: Phase | None = None
            for at, frame in visit.frames:
                if "error" in frame:
                    if frame["error"]["code"] != self.end:
                        yield f"{frame} on a stream of {self.trip}"
                elif shown is not None and shown.is_final:
                    yield f"{frame} after the end of {self.trip}"
                elif "trip" in frame:
                    found = self._find(frame["trip"], position)
                    if found is None:
                        yield f"{frame} at {at}, after phase {position} of {self.trip}"
                    else:
                        position, shown = found, self.trip.phases[found]
                elif shown is None or frame["userId"] != shown.driver or self._is_wrong(at, frame):
                    yield f"{frame} at {at}, shown {shown} of {self.trip}"

    def delays(self) -> Iterator[tuple[str, float]]:
        for after in self.trip.moves:
            for visit in self.visits:
                if not visit.covers(after.committed) or visit.was_cut:
                    continue
                if after.is_final:
                    yield "end", visit.ended - after.committed
                else:
                    yield "move", self._shown_at(visit, after) - after.committed

    def _find(self, trip: dict[str, Any], position: int) -> int | None:
        """Return the phase that a frame shows, not before a position."""
        driver = trip["driver"] and trip["driver"]["userId"]
        for number in range(position, len(self.trip.phases)):
            phase = self.trip.phases[number]
            if (self.trip.trip_id, phase.driver, phase.status) == (
                trip["id"],
                driver,
                trip["status"],
            ):
                return number
        return None

    def _shown_at(self, visit: Visit, phase: Phase) -> float:
        """Return when the trip's frame with a new driver arrived; infinity if it did not."""
        for at, frame in visit.frames:
            driver = frame.get("trip", {}).get("driver")
            if at > phase.committed - EARLY and driver and driver["userId"] == phase.driver:
                return at
        # A stream that ended soon after had no time for it.
        return visit.ended if visit.ended < phase.committed + self.trip.prompt else math.inf


class DriverStream(StreamLedger):
    """The stream of one driver, which the trip's grant permits."""

    end = "forbidden"

    def __init__(self, trip: TripLedger, driver: int) -> None:
        super().__init__(trip)
        self.driver = driver

    def leaks(self) -> Iterator[str]:
        for visit in self.visits:
            for at, frame in visit.frames:
                if "error" in frame:
                    if frame["error"]["code"] != self.end:
                        yield f"{frame} on a stream of driver {self.driver} of {self.trip}"
                elif frame["userId"] != self.driver or self._is_wrong(at, frame):
                    yield f"{frame} at {at}, watching driver {self.driver} of {self.trip}"

    def delays(self) -> Iterator[tuple[str, float]]:
        for _, ended in self.trip.holds(self.driver):
            for visit in self.visits:
                if visit.covers(ended.committed) and not visit.was_cut:
                    yield "grant", visit.ended - ended.committed


def _is_older(frame: dict[str, Any], began: Phase) -> bool:
    """Return True for a fix that was recorded too long before the driver got the trip."""
    if "recorded_at" not in frame or began.assigned_at is None:
        return False
    recorded_at = datetime.fromisoformat(frame["recorded_at"]).timestamp()
    # Frames have milliseconds.
    return recorded_at < began.assigned_at - LEAD_TIME - 0.001


@dataclass(frozen=True)
class Lives:
    """A row of the table of trips; times in seconds."""

    trips: int
    reassignments: int
    streams: int
    frames: int
    leaks: int
    move: float
    end: float
    grant: float
    cut: int  # streams that broke, and were opened again

    def cells(self) -> list[str]:
        """Return the figures as text."""
        counts = (self.trips, self.reassignments, self.streams, self.frames, self.leaks)
        delays = (self.move, self.end, self.grant)
        return [
            *(f"{count:,}" for count in counts),
            *(f"{delay:.1f} s" for delay in delays),
            f"{self.cut}",
        ]


def measure(streams: Iterable[StreamLedger]) -> Lives:
    """Return the figures of a run. Print the first leaks, which fail the test."""
    streams = list(streams)
    trips = {stream.trip.trip_id: stream.trip for stream in streams}.values()
    leaks = [leak for stream in streams for leak in stream.leaks()]
    delays: defaultdict[str, list[float]] = defaultdict(list)
    for stream in streams:
        for kind, delay in stream.delays():
            delays[kind].append(delay)
    print(*leaks[:5], sep="\n")
    return Lives(
        trips=len(trips),
        reassignments=sum(not phase.is_final for trip in trips for phase in trip.moves),
        streams=len(streams),
        frames=sum(stream.received for stream in streams),
        leaks=len(leaks),
        move=max(delays["move"], default=0.0),
        end=max(delays["end"], default=0.0),
        grant=max(delays["grant"], default=0.0),
        cut=sum(visit.was_cut for stream in streams for visit in stream.visits),
    )
