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
from tracking.protocol.nearby import Place, encode_cars, encode_id, encode_place

logger = logging.getLogger(__name__)

# Seconds between two frames of a rider.
INTERVAL: Final = 2.0
# Seconds between the moments at which the places of all cars are taken over, the same for all cars
# and workers. In between, cars glide from one place to the next: if they moved when their phones
# report, the second of a phone's timer would identify a car under each of its ids.
TICK: Final = 10.0
# The parts of the interval: some riders get their frame in each.
SLOTS: Final = 20
# The cars of a frame, at most, and their greatest distance in metres.
MAX_CARS: Final = 20
RADIUS: Final = 3_000.0
# Aliases that a connection remembers: those of cars that are out of sight are dropped then.
MAX_ALIASES: Final = 60
# Cars between two turns of the event loop: some 5 µs each.
CARS_PER_TURN: Final = 200
# The edge in metres of the parts of a town whose riders see the same cars; how many cars are looked
# at for each of them, more if too many are at quiet places, until ENOUGH are not, as half of these
# are hidden; and for how many seconds, by which a car that comes near is shown later.
PART: Final = 700.0
LOOKED_AT: Final = (60, 240, 960)
ENOUGH: Final = 50
LOOK_INTERVAL: Final = 10.0
# Metres that a place may move at once, as on a map that is dragged. A rider who looks elsewhere may
# do so again after so many seconds, and all connections of the user to the place before end: one
# account sees one part of a town at a time.
FREE_MOVE: Final = 2_000.0
MOVE_INTERVAL: Final = 20.0

# In degrees of latitude.
_EDGE: Final = PART / METRES_PER_DEGREE
_Part = tuple[int, int]
# A car as riders see it, and the part of its encoding that is the same for all.
_Seen = tuple[Sight, str]
# A car of a frame: its driver, the time of its last change, and the encoding but for the id.
_Shown = tuple[DriverId, int, str]


class Rider:
    """One rider's connection: the place, and the aliases of the cars of its last frame."""

    __slots__ = ("aliases", "outbox", "part", "place", "user_id")

    def __init__(self, outbox: Outbox, user_id: UserId, place: Place) -> None:
        self.outbox = outbox
        self.user_id = user_id
        self.look(place)
        # By driver: the time of the last change, and the encoded alias since then.
        self.aliases: dict[DriverId, tuple[int, str]] = {}

    def look(self, place: Place) -> None:
        """Move to a place."""
        self.place = place
        self.part = _part_of(place)


class _Car:
    """A car near riders, as of the tick `tick`.

    It glides from `start` to `end`, its places at the tick before and at this one. `since` is the
    time of its last change but for those that the veil draws. At a quiet place (`is_quiet`) it is
    hidden, and leaving it is a change.
    """

    __slots__ = ("end", "is_quiet", "quiet_at", "since", "start", "tick")

    def __init__(self) -> None:
        self.tick = -1
        self.start = self.end = Place(0.0, 0.0)
        self.since = self.quiet_at = 0.0
        self.is_quiet = False

    def move(self, entry: Entry, veil: Veil, tick: int) -> None:
        """Take over the place at a tick, and what has changed since the one before."""
        fix, duty = entry.fix, entry.duty
        place = Place(fix.latitude, fix.longitude)
        # Nothing glides if it was not near at the tick before, nor across the antimeridian.
        follows = self.tick == tick - 1 and abs(place.longitude - self.end.longitude) < 180
        self.start = self.end if follows else place
        self.end, self.tick = place, tick
        # Before it is known where the shift began, the car may be at home.
        self.is_quiet = (
            duty is None
            or duty.shift_began_at is None
            or veil.is_quiet(fix.driver_id, *place, [duty.shift_began_at, *duty.shifts_ended_at])
        )
        if self.is_quiet:
            self.quiet_at = tick * TICK
        began = 0.0 if duty is None else duty.since.timestamp()
        self.since = max(began, entry.left_at, self.quiet_at)

    def place_at(self, now: float) -> Place:
        """Return the place to which it has glided."""
        part = min(1.0, max(0.0, now / TICK - self.tick))
        (south, west), (north, east) = self.start, self.end
        return Place(south + part * (north - south), west + part * (east - west))


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
        # The drivers near each part, and until when they are looked at; and the cars of those.
        self._near: dict[_Part, tuple[list[Hashable], float]] = {}
        self._cars: dict[Hashable, _Car] = {}
        self._tick = -1
        # In this round: the cars that a part shows, and what is seen of each car.
        self._shown: dict[_Part, list[_Shown]] = {}
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
            self._tick = int(self._now() // TICK)
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
            # A car that has just been seen to leave its stand is not to be shown to somebody who
            # comes then: that it stood there is known for as long as the state is kept.
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
                try:
                    await self._begin_round()
                except Exception:  # a bug must not end the streams
                    logger.exception("The cars near riders could not be updated")
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
        if int(now // TICK) != self._tick:
            await self._begin_tick(int(now // TICK))
        self._near = {part: near for part, near in self._near.items() if near[1] > now}
        over = [pk for pk, (_, until) in self._moves.items() if until <= now]
        watching = {rider.user_id for slot in self._slots for rider in slot.values()}
        for user_id in over:
            if user_id not in watching:
                del self._moves[user_id]

    async def _begin_tick(self, tick: int) -> None:
        """Take over the places of all cars near riders, and forget those that nobody can know."""
        self._tick = tick
        near = {driver_id for drivers, _ in self._near.values() for driver_id in drivers}
        free = self._nearby.free.keys()
        for number, driver_id in enumerate(near, 1):
            if driver_id in free:
                self._car(driver_id)
            if number % CARS_PER_TURN == 0:
                await asyncio.sleep(0)
        oldest = tick - HIDDEN[1] / TICK
        self._cars = {key: car for key, car in self._cars.items() if car.tick >= oldest}

    def _car(self, driver_id: Hashable) -> _Car:
        """Return the car of a free driver, as of this tick."""
        car = self._cars.get(driver_id)
        if car is None:
            car = self._cars[driver_id] = _Car()
        if car.tick != self._tick:
            car.move(self._nearby.entry_of(driver_id), self._veil, self._tick)
        return car

    def _send(self, rider: Rider) -> None:
        frame = encode_cars(self._frame(rider))
        rider.outbox.offer({"type": "websocket.send", "text": frame})

    def _frame(self, rider: Rider) -> list[str]:
        shown = self._shown.get(rider.part)
        if shown is None:
            shown = self._shown[rider.part] = self._shown_in(rider.part)
        free, aliases = self._nearby.free.keys(), rider.aliases
        cars: list[str] = []
        for driver_id, changed_at, place in shown:
            if driver_id not in free:
                continue
            alias = aliases.get(driver_id)
            if alias is None or alias[0] != changed_at:
                name = self._veil.alias(rider.user_id, driver_id, changed_at)
                alias = aliases[driver_id] = changed_at, encode_id(name)
            cars.append(alias[1] + place)
        if len(aliases) > MAX_ALIASES:
            rider.aliases = {car[0]: aliases[car[0]] for car in shown if car[0] in aliases}
        # Not in the order of the true distances.
        cars.sort()
        return cars

    def _shown_in(self, part: _Part) -> list[_Shown]:
        """Return the nearest cars that may be seen from a part of the town."""
        latitude, longitude = _centre_of(part)
        free = self._nearby.free.keys()
        squares = []
        for driver_id in self._drivers_near(part):
            if driver_id not in free:
                continue
            if driver_id not in self._seen:
                self._seen[driver_id] = self._see(driver_id)
            if (seen := self._seen[driver_id]) is not None:
                square = _square(latitude, longitude, seen[0].latitude, seen[0].longitude)
                squares.append((square, seen))
        if len(squares) > MAX_CARS:
            squares = nsmallest(MAX_CARS, squares, key=itemgetter(0))
        return [
            (sight.driver_id, sight.changed_at, place)
            for square, (sight, place) in squares
            if square <= RADIUS * RADIUS
        ]

    def _drivers_near(self, part: _Part) -> list[Hashable]:
        """Return the drivers who are near a part of the town, or were some seconds ago."""
        near = self._near.get(part)
        if near is None:
            near = self._near[part] = self._look_near(part), self._now() + LOOK_INTERVAL
        return near[0]

    def _look_near(self, part: _Part) -> list[Hashable]:
        found: list[Hashable] = []
        seen = 0
        for count in LOOKED_AT:
            place, reach = _centre_of(part), RADIUS + PART
            found = [each.key for each in self._nearby.free.nearest(*place, count, radius=reach)]
            seen = sum(not self._car(driver_id).is_quiet for driver_id in found)
            if seen >= ENOUGH or len(found) < count:
                break
        return found if seen >= CROWD else []

    def _see(self, driver_id: Hashable) -> _Seen | None:
        """Return a car as riders see it; None if it is hidden."""
        car, now = self._car(driver_id), self._now()
        if car.is_quiet:
            return None
        entry = self._nearby.entry_of(driver_id)
        sight = self._veil.sight(entry.fix.driver_id, *car.place_at(now), car.since, now)
        if sight is None:
            return None
        # A process that has just begun does not know where cars stood, and so not their last
        # changes: it must not show an id from before.
        sight = sight._replace(changed_at=max(sight.changed_at, int(entry.known_at)))
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
