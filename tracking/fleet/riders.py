"""The cars near riders, streamed to all riders of this process by one task.

Riders are spread over the interval. Which cars are shown is found once for all riders in a part of
the town; each rider gets ids of its own.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from heapq import nsmallest
from operator import itemgetter
from typing import Final

from tracking.fleet.anonymity import CROWD, HIDDEN, Sight, Veil
from tracking.fleet.nearby import Nearby
from tracking.fleet.state import Entry
from tracking.geo import METRES_PER_DEGREE, degrees_east, distance, metres_per_degree_east
from tracking.ids import DriverId, UserId
from tracking.pipeline.outbox import Outbox
from tracking.protocol import RateLimited, encode_error
from tracking.protocol.nearby import Place, encode_car, encode_cars, encode_place

logger = logging.getLogger(__name__)

# Seconds between two frames of a rider.
INTERVAL: Final = 2.0
# The parts of the interval: some riders get their frame in each.
SLOTS: Final = 20
# The cars of a frame, at most, and their greatest distance in metres.
MAX_CARS: Final = 20
RADIUS: Final = 3_000.0
# The edge in metres of the parts of a town whose riders see the same cars; how many are looked at
# for each of them, as a third or more are hidden; and for how many seconds, so that a car which
# comes near is shown that much later.
PART: Final = 500.0
MAX_LOOKED_AT: Final = 60
LOOK_INTERVAL: Final = 10.0
# Metres that a place may move at once, as on a map that is dragged. A rider who looks elsewhere may
# do so again after so many seconds, and all connections of the user to the place before end: one
# account sees one part of a town at a time.
FREE_MOVE: Final = 2_000.0
MOVE_INTERVAL: Final = 20.0

# In degrees of latitude.
_EDGE: Final = PART / METRES_PER_DEGREE
_Part = tuple[int, int]
# A car as riders see it, and its encoded place.
_Seen = tuple[Sight, str]


class Rider:
    """One rider's connection: the place, and the aliases of the cars of its last frame."""

    __slots__ = ("aliases", "outbox", "part", "place", "user_id")

    def __init__(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        self.outbox = outbox
        self.user_id = user_id
        self.look(place)
        # By driver: the time of the last change, and the alias since then.
        self.aliases: dict[DriverId, tuple[int, str]] = {}

    def look(self, place: Place) -> None:
        """Move to a place."""
        self.place = place
        self.part = _part_of(place)


class Riders:
    """Streams the free cars near them to riders, as the veil lets them be seen."""

    def __init__(self, nearby: Nearby, veil: Veil, now: Callable[[], float] = time.time) -> None:
        self._nearby = nearby
        self._veil = veil
        self._now = now
        self._slots: list[dict[Outbox, Rider]] = [{} for _ in range(SLOTS)]
        self._slot_of: dict[Outbox, int] = {}
        self._turn = 0
        # By user: the place of the last far move, and when the next one is free.
        self._moves: dict[UserId, tuple[Place, float]] = {}
        # The drivers near each part, and until when they are looked at.
        self._near: dict[_Part, tuple[list[Hashable], float]] = {}
        # In this round: the cars that a part shows, and what is seen of each car.
        self._shown: dict[_Part, list[_Seen]] = {}
        self._seen: dict[Hashable, _Seen | None] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._slot_of)

    def look(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        """Stream the cars near `place` into `outbox`, the first frame at once.

        Raise RateLimited if this user has just looked far from there.
        """
        self._check_move(outbox, user_id, place)
        if self._task is None:
            self._nearby.hold(self)
            self._task = asyncio.create_task(self._stream_forever())
        slot = self._slot_of.get(outbox)
        if slot is None:
            slot = self._slot_of[outbox] = self._turn % SLOTS
            self._turn += 1
            self._slots[slot][outbox] = Rider(outbox, user_id, place)
        rider = self._slots[slot][outbox]
        rider.look(place)
        if self._nearby.is_loaded:
            self._send(rider)

    def leave(self, outbox: Outbox) -> None:
        """Stream nothing more into `outbox`."""
        slot = self._slot_of.pop(outbox, None)
        if slot is None:
            return
        del self._slots[slot][outbox]
        if not self._slot_of and self._task is not None:
            self._task.cancel()
            self._task = None
            self._near.clear()
            self._shown.clear()
            self._seen.clear()
            # A car that has just been seen to leave is not to be seen by somebody who comes then:
            # where it stood is known for as long as the state is kept.
            self._nearby.keep(HIDDEN[1])
            self._nearby.release(self)

    async def close(self) -> None:
        """Stop all streams."""
        task = self._task
        for outbox in list(self._slot_of):
            self.leave(outbox)
        if task is not None:
            await asyncio.wait([task])

    def _check_move(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        last = self._moves.get(user_id)
        if last is not None and distance(*last[0], *place) <= FREE_MOVE:
            return
        now = self._now()
        if last is not None and now < last[1]:
            raise RateLimited("this is far from the place before: look there in some seconds")
        self._moves[user_id] = place, now + MOVE_INTERVAL
        if last is not None:
            self._stop_others(outbox, user_id, place)

    def _stop_others(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        """Stop a user's streams into other outboxes that show a place far from this one."""
        error = RateLimited("another connection of this user looks at a place far from here")
        frame = {"type": "websocket.send", "text": encode_error(error)}
        for slot in self._slots:
            for other, rider in list(slot.items()):
                if (
                    rider.user_id == user_id
                    and other is not outbox
                    and distance(*rider.place, *place) > FREE_MOVE
                ):
                    self.leave(other)
                    other.put(frame)

    async def _stream_forever(self) -> None:
        loop = asyncio.get_running_loop()
        await self._nearby.loaded()
        slot, due = 0, loop.time()
        while True:
            if slot == 0:
                await self._begin_round()
            for rider in list(self._slots[slot].values()):
                try:
                    self._send(rider)
                except Exception:  # a bug for one rider must not affect the others
                    logger.exception("The cars near a rider could not be sent")
            slot = (slot + 1) % SLOTS
            # After a delay, the rounds go on from now.
            due = max(due + INTERVAL / SLOTS, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _begin_round(self) -> None:
        await self._nearby.settle()
        now = self._now()
        self._shown.clear()
        self._seen.clear()
        self._near = {part: near for part, near in self._near.items() if near[1] > now}
        over = [pk for pk, (_, until) in self._moves.items() if until <= now]
        watching = {rider.user_id for slot in self._slots for rider in slot.values()}
        for user_id in over:
            if user_id not in watching:
                del self._moves[user_id]

    def _send(self, rider: Rider) -> None:
        frame = encode_cars(self._cars(rider))
        rider.outbox.offer({"type": "websocket.send", "text": frame})

    def _cars(self, rider: Rider) -> list[str]:
        shown = self._shown.get(rider.part)
        if shown is None:
            shown = self._shown[rider.part] = self._shown_in(rider.part)
        free = self._nearby.free
        aliases: dict[DriverId, tuple[int, str]] = {}
        cars: list[str] = []
        for sight, place in shown:
            if sight.driver_id not in free:
                continue
            alias = rider.aliases.get(sight.driver_id)
            if alias is None or alias[0] != sight.changed_at:
                alias = sight.changed_at, self._veil.alias(rider.user_id, sight)
            aliases[sight.driver_id] = alias
            cars.append(encode_car(alias[1], place))
        rider.aliases = aliases
        # Not in the order of the true distances.
        cars.sort()
        return cars

    def _shown_in(self, part: _Part) -> list[_Seen]:
        """Return the nearest cars that may be seen from a part of the town."""
        latitude, longitude = _centre_of(part)
        free = self._nearby.free
        squares = []
        for driver_id in self._drivers_near(part):
            if driver_id not in free:
                continue
            if driver_id not in self._seen:
                self._seen[driver_id] = self._see(self._nearby.entry_of(driver_id))
            if (seen := self._seen[driver_id]) is not None:
                square = _square(latitude, longitude, seen[0].latitude, seen[0].longitude)
                squares.append((square, seen))
        if len(squares) > MAX_CARS:
            squares = nsmallest(MAX_CARS, squares, key=itemgetter(0))
        return [seen for square, seen in squares if square <= RADIUS * RADIUS]

    def _drivers_near(self, part: _Part) -> list[Hashable]:
        """Return the drivers who are near a part of the town, or were some seconds ago."""
        near = self._near.get(part)
        if near is None:
            free, place = self._nearby.free, _centre_of(part)
            found = free.nearest(*place, MAX_LOOKED_AT, radius=RADIUS + PART)
            drivers = [each.key for each in found] if len(found) >= CROWD else []
            near = self._near[part] = drivers, self._now() + LOOK_INTERVAL
        return near[0]

    def _see(self, entry: Entry) -> _Seen | None:
        """Return a car as riders see it; None if it is hidden."""
        fix, duty = entry.fix, entry.duty
        # Before it is known where the shift began, the car may be at home.
        if duty is None or duty.shift_began_at is None:
            return None
        sight = self._veil.sight(
            fix.driver_id,
            fix.latitude,
            fix.longitude,
            max(entry.left_at, duty.since.timestamp()),
            [duty.shift_began_at, *duty.shifts_ended_at],
            self._now(),
        )
        if sight is None:
            return None
        return sight, encode_place(sight.latitude, sight.longitude)


def _part_of(place: Place) -> _Part:
    row = int(place.latitude // _EDGE)
    return row, int(place.longitude // _width_of(row))


def _centre_of(part: _Part) -> tuple[float, float]:
    latitude = min(90.0, max(-90.0, (part[0] + 0.5) * _EDGE))
    return latitude, (part[1] + 0.5) * _width_of(part[0])


def _width_of(row: int) -> float:
    """Return the degrees of longitude of a part, which is about as wide as it is high."""
    return PART / metres_per_degree_east(max(-89.0, min(89.0, (row + 0.5) * _EDGE)))


def _square(latitude_1: float, longitude_1: float, latitude_2: float, longitude_2: float) -> float:
    """Return the square of the metres between near places, as if the Earth were flat there."""
    north = (latitude_2 - latitude_1) * METRES_PER_DEGREE
    east = degrees_east(longitude_1, longitude_2) * metres_per_degree_east(latitude_1)
    return north * north + east * east
