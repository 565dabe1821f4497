"""The cars near riders, streamed to all riders of this process by one task.

Riders are spread over the interval. Which cars may be seen is found once for all riders in a part
of the town; each rider gets ids of its own.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from heapq import nsmallest
from operator import itemgetter
from typing import Final, NamedTuple

from tracking.fleet.anonymity import Sight, Veil
from tracking.fleet.nearby import Found, Nearby
from tracking.geo import METRES_PER_DEGREE, degrees_east, distance, metres_per_degree_east
from tracking.ids import DriverId, UserId
from tracking.pipeline.outbox import Outbox
from tracking.protocol import RateLimited
from tracking.protocol.nearby import Place, encode_car, encode_cars, encode_place

logger = logging.getLogger(__name__)

# Seconds between two frames of a rider.
INTERVAL: Final = 2.0
# The parts of the interval: some riders get their frame in each.
SLOTS: Final = 20
# The cars of a frame, at most, and their greatest distance in metres.
MAX_CARS: Final = 20
RADIUS: Final = 3_000.0
# The edge in metres of the parts of a town that share what can be seen, and how many cars are
# looked at for each of them: more than are shown, as some are hidden or near another rider.
PART: Final = 1_000.0
MAX_LOOKED_AT: Final = 80
# Metres that a place may move at once, as on a map that is dragged. A rider who looks elsewhere
# waits so many seconds, in which a whole town cannot be searched.
FREE_MOVE: Final = 2_000.0
MOVE_INTERVAL: Final = 20.0

# In degrees of latitude.
_EDGE: Final = PART / METRES_PER_DEGREE
_Part = tuple[int, int]


class Seen(NamedTuple):
    """A car in a part of a town: metres east and north of the part's centre, and the car.

    `place` is its encoded place.
    """

    east: float
    north: float
    sight: Sight
    place: str


class Rider:
    """One rider's connection: the place, and the aliases of the cars of its last frame."""

    __slots__ = ("aliases", "outbox", "place", "user_id")

    def __init__(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        self.outbox = outbox
        self.user_id = user_id
        self.place = place
        # By driver: the period, and the alias in it.
        self.aliases: dict[DriverId, tuple[int, str]] = {}


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
        # In this round: the cars by part, and what is seen of each.
        self._seen: dict[_Part, list[Seen]] = {}
        self._sights: dict[DriverId, tuple[Sight, str] | None] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._slot_of)

    def look(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        """Stream the cars near `place` into `outbox`, the first frame at once.

        Raise RateLimited if this user has just looked far from there.
        """
        self._check_move(user_id, place)
        if self._task is None:
            self._nearby.hold(self)
            self._task = asyncio.create_task(self._stream_forever())
        slot = self._slot_of.get(outbox)
        if slot is None:
            slot = self._slot_of[outbox] = self._turn % SLOTS
            self._turn += 1
            self._slots[slot][outbox] = Rider(outbox, user_id, place)
        rider = self._slots[slot][outbox]
        rider.place = place
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
            self._seen.clear()
            self._nearby.release(self)

    async def close(self) -> None:
        """Stop all streams."""
        task = self._task
        for outbox in list(self._slot_of):
            self.leave(outbox)
        if task is not None:
            await asyncio.wait([task])

    def _check_move(self, user_id: UserId, place: Place) -> None:
        last = self._moves.get(user_id)
        if last is not None and distance(*last[0], *place) <= FREE_MOVE:
            return
        now = self._now()
        if last is not None and now < last[1]:
            raise RateLimited("this is far from the place before: look there in some seconds")
        self._moves[user_id] = place, now + MOVE_INTERVAL

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
        self._seen.clear()
        self._sights.clear()
        await self._nearby.settle()
        now = self._now()
        over = [pk for pk, (_, until) in self._moves.items() if until <= now]
        watching = {rider.user_id for slot in self._slots for rider in slot.values()}
        for user_id in over:
            if user_id not in watching:
                del self._moves[user_id]

    def _send(self, rider: Rider) -> None:
        frame = encode_cars(self._cars(rider))
        rider.outbox.offer({"type": "websocket.send", "text": frame})

    def _cars(self, rider: Rider) -> list[str]:
        part = _part_of(rider.place)
        seen = self._seen.get(part)
        if seen is None:
            seen = self._seen[part] = self._look_at(part)
        x, y = _metres_from_centre(part, *rider.place)
        squares = [((car.east - x) ** 2 + (car.north - y) ** 2, car) for car in seen]
        near = nsmallest(MAX_CARS, squares, key=itemgetter(0))
        aliases: dict[DriverId, tuple[int, str]] = {}
        cars: list[str] = []
        for square, car in near:
            if square > RADIUS * RADIUS:
                break
            sight = car.sight
            alias = rider.aliases.get(sight.driver_id)
            if alias is None or alias[0] != sight.period:
                alias = sight.period, self._veil.alias(rider.user_id, sight)
            aliases[sight.driver_id] = alias
            cars.append(encode_car(alias[1], car.place))
        rider.aliases = aliases
        # Not in the order of the true distances.
        cars.sort()
        return cars

    def _look_at(self, part: _Part) -> list[Seen]:
        """Return the cars that riders in this part of the town may see."""
        latitude, longitude = _centre_of(part)
        found = self._nearby.nearest(latitude, longitude, MAX_LOOKED_AT, RADIUS + PART)
        seen = []
        for each in found:
            driver_id = each.entry.fix.driver_id
            if driver_id not in self._sights:
                self._sights[driver_id] = self._sight(each)
            if (known := self._sights[driver_id]) is not None:
                sight, place = known
                metres = _metres_from_centre(part, sight.latitude, sight.longitude)
                seen.append(Seen(*metres, sight, place))
        return seen

    def _sight(self, found: Found) -> tuple[Sight, str] | None:
        """Return a car as riders see it, and its encoded place; None if it is hidden."""
        fix, duty = found.entry.fix, found.entry.duty
        # Before it is known where the shift began, the car may be at home.
        if duty is None or duty.shift_began_at is None:
            return None
        sight = self._veil.sight(
            fix.driver_id,
            fix.latitude,
            fix.longitude,
            found.entry.here_since,
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


def _metres_from_centre(part: _Part, latitude: float, longitude: float) -> tuple[float, float]:
    """Return the metres east and north of a part's centre, as if the Earth were flat there."""
    centre = _centre_of(part)
    east = degrees_east(centre[1], longitude) * metres_per_degree_east(centre[0])
    return east, (latitude - centre[0]) * METRES_PER_DEGREE
