"""The cars near riders, streamed to all riders of this process by one task.

Riders are spread over the interval. Which cars may be seen is found once for all riders in a part
of the town; each rider gets ids of its own.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from math import cos, radians
from typing import Final

from tracking.fleet.anonymity import Alias, Sight, Veil
from tracking.fleet.nearby import Found, Nearby
from tracking.geo import METRES_PER_DEGREE, degrees_east, distance
from tracking.ids import DriverId, UserId
from tracking.pipeline.outbox import Outbox
from tracking.protocol import RateLimited
from tracking.protocol.nearby import Place, encode_car, encode_cars

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

_Part = tuple[int, int]


class Rider:
    """One rider's connection: the place, and the ids of the cars in their present period."""

    __slots__ = ("aliases", "outbox", "place", "user_id")

    def __init__(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        self.outbox = outbox
        self.user_id = user_id
        self.place = place
        self.aliases: dict[DriverId, tuple[int, Alias]] = {}


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
        self._seen: dict[_Part, list[Sight]] = {}
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
        now = self._now()
        last = self._moves.get(user_id)
        if last is not None and distance(*last[0], *place) > FREE_MOVE and now < last[1]:
            raise RateLimited("this is far from the place before: look there in some seconds")
        if last is None or distance(*last[0], *place) > FREE_MOVE:
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
        latitude, longitude = rider.place
        per_degree = METRES_PER_DEGREE * max(cos(radians(latitude)), 0.01)
        near: list[tuple[float, Sight]] = []
        for sight in self._in_part(rider.place):
            north = (sight.latitude - latitude) * METRES_PER_DEGREE
            east = degrees_east(longitude, sight.longitude) * per_degree
            square = north * north + east * east
            if square <= RADIUS * RADIUS:
                near.append((square, sight))
        near.sort(key=lambda each: each[0])
        aliases: dict[DriverId, tuple[int, Alias]] = {}
        cars: list[str] = []
        for _, sight in near[:MAX_CARS]:
            known = rider.aliases.get(sight.driver_id)
            if known is None or known[0] != sight.period:
                known = sight.period, self._veil.alias(rider.user_id, sight)
            aliases[sight.driver_id] = known
            alias = known[1]
            cars.append(
                encode_car(
                    alias.id,
                    sight.latitude + alias.north,
                    sight.longitude + alias.east / per_degree,
                )
            )
        rider.aliases = aliases
        # Not in the order of the true distances.
        cars.sort()
        return cars

    def _in_part(self, place: Place) -> list[Sight]:
        """Return the cars that riders in this part of the town may see."""
        edge = PART / METRES_PER_DEGREE
        wide = edge / max(cos(radians(place.latitude)), 0.01)
        part = int(place.latitude // edge), int(place.longitude // wide)
        seen = self._seen.get(part)
        if seen is None:
            centre = (part[0] + 0.5) * edge, (part[1] + 0.5) * wide
            found = self._nearby.nearest(
                max(-90.0, min(90.0, centre[0])), centre[1], MAX_LOOKED_AT, RADIUS + PART
            )
            seen = self._seen[part] = [
                sight for each in found if (sight := self._sight(each)) is not None
            ]
        return seen

    def _sight(self, found: Found) -> Sight | None:
        entry = found.entry
        if entry.duty is None or entry.duty.shift_began_at is None:
            return None  # Perhaps it is at home.
        quiet = [entry.duty.shift_began_at, *entry.duty.shifts_ended_at]
        fix = entry.fix
        return self._veil.sight(
            fix.driver_id, fix.latitude, fix.longitude, entry.here_since, quiet, self._now()
        )
