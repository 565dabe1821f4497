"""Which drivers are connected to this process, and which of them have left.

A connection that ends says little: phones change networks, and come back within seconds, often to
another worker. So a driver has left once `GRACE_PERIOD` seconds have gone by without a connection
or a newer fix anywhere.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from tracking.engine.receiver import Event, Receiver
from tracking.fix import ArrivalClock, Fix
from tracking.ids import DriverId, from_plain, to_plain
from tracking.pipeline.storage import Waiter
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds that a driver has to come back.
GRACE_PERIOD: Final = 5.0

# Seconds after that in which the other workers answer whether a driver is connected to one of them.
# They need milliseconds. To ask before would miss who comes back in between.
ANSWER_TIMEOUT: Final = 0.25

GROUP: Final = "tracking.presence"
QUESTION: Final = "tracking.presence.question"
ANSWER: Final = "tracking.presence.answer"


class Driver:
    """How many connections a driver has to this process, and its newest fix that came here."""

    __slots__ = ("connections", "newest")

    def __init__(self) -> None:
        self.connections = 0
        self.newest: Fix | None = None


class Departure:
    """When a driver's last connection ended, and the loop's time until which it may come back."""

    __slots__ = ("at", "until")

    def __init__(self, at: datetime, until: float) -> None:
        self.at = at
        self.until = until


class Presence:
    """Submits the departures of drivers: the newest fix once more, with `disconnected_at`.

    Who only ever sends over HTTP has no connection and cannot leave: time alone makes it offline.
    `load_snapshots` maps driver ids to their stored fixes. `draining` tells whether this process
    was told to stop.
    """

    def __init__(
        self,
        layer: Any,
        receiver: Receiver,
        clock: ArrivalClock,
        load_snapshots: Callable[[list[DriverId]], Awaitable[Mapping[DriverId, Fix]]],
        submit: Callable[[Sequence[Fix], Waiter], None],
        draining: Callable[[], bool],
    ) -> None:
        self._layer = layer
        self._receiver = receiver
        self._clock = clock
        self._load_snapshots = load_snapshots
        self._submit = submit
        self._draining = draining
        self._drivers: dict[DriverId, Driver] = {}
        # In the order of leaving.
        self._departures: dict[DriverId, Departure] = {}
        self._task: asyncio.Task[None] | None = None
        receiver.handle(QUESTION, self._answer)
        receiver.handle(ANSWER, self._cancel_departures)

    async def arrive(self, driver_id: DriverId) -> None:
        """Count a driver's new connection, before its first fix is submitted.

        Each call is to be followed by one of `depart`, even if it was cancelled.
        """
        self._departures.pop(driver_id, None)
        driver = self._drivers.setdefault(driver_id, Driver())
        driver.connections += 1
        await self._receiver.join(GROUP)

    def record(self, fix: Fix) -> None:
        """Note a fix that was submitted here."""
        driver = self._drivers.get(fix.driver_id)
        if driver is not None:
            driver.newest = fix.merged_with(driver.newest)

    def depart(self, driver_id: DriverId) -> None:
        """Count a driver's connection no more; with the last one, the driver begins to leave."""
        driver = self._drivers[driver_id]
        driver.connections -= 1
        if driver.connections:
            return
        if driver.newest is None or self._draining():
            # A server that is stopped sends its drivers elsewhere. They did not leave, and must
            # not be offline until they are back. Who does not come back, time makes offline.
            del self._drivers[driver_id]
            return
        loop = asyncio.get_running_loop()
        self._departures[driver_id] = Departure(self._clock.now(), loop.time() + GRACE_PERIOD)
        if self._task is None:
            self._task = loop.create_task(self._settle_forever())

    async def close(self) -> None:
        """Stop; who was about to leave has not left."""
        self._departures.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def acknowledge(self, fix: Fix) -> None:
        """A departure is stored: nobody waits for it."""

    def reject(self, fix: Fix) -> None:
        """A departure cannot be stored: the driver's account is gone."""

    def discard(self, fix: Fix) -> None:
        """A departure cannot be stored: time alone makes the driver offline."""

    async def _settle_forever(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._departures:
                first = next(iter(self._departures.values()))
                await asyncio.sleep(first.until - loop.time())
                deadline = loop.time() + ANSWER_TIMEOUT
                due = {
                    driver_id: departure
                    for driver_id, departure in self._departures.items()
                    if departure.until <= loop.time()
                }
                asked = await self._send({"type": QUESTION, "drivers": [*map(to_plain, due)]})
                await asyncio.sleep(deadline - loop.time())
                try:
                    await self._settle(due, asked=asked)
                except Exception as error:  # the database is away, the next round tries
                    logger.warning("Drivers that left could not be looked up: %s", reason(error))
        finally:
            self._task = None

    async def _settle(self, due: Mapping[DriverId, Departure], *, asked: bool) -> None:
        absent = list(self._still(due))
        if not absent:
            return
        stored = await self._load_snapshots(absent)
        for driver_id in self._still(due):
            departure = self._departures.pop(driver_id)
            newest = self._drivers.pop(driver_id).newest
            assert newest is not None  # noqa: S101 - or it would not be leaving
            row = stored.get(driver_id)
            # What came in elsewhere since says that there the driver is. Where the other workers
            # could not be asked, what came in elsewhere before that does, too.
            since = departure.at if asked else newest.heard
            if row is not None and row.heard > since:
                continue
            if row is not None:
                newest = row.merged_with(newest)  # What came here last may have been late.
            if newest.heard <= departure.at:
                left = msgspec.structs.replace(newest, disconnected_at=departure.at)
                self._submit([left], self)

    def _still(self, due: Mapping[DriverId, Departure]) -> list[DriverId]:
        """Those of the drivers who have not come back since, perhaps to leave once more."""
        return [pk for pk, departure in due.items() if self._departures.get(pk) is departure]

    async def _answer(self, event: Event) -> None:
        connected = [
            driver_id
            for driver_id in map(from_plain, event["drivers"])
            if driver_id in self._drivers and self._drivers[driver_id].connections
        ]
        if connected:
            await self._send({"type": ANSWER, "drivers": [*map(to_plain, connected)]})

    async def _cancel_departures(self, event: Event) -> None:
        """They are connected to another worker."""
        for driver_id in map(from_plain, event["drivers"]):
            if self._departures.pop(driver_id, None) is not None:
                del self._drivers[driver_id]

    async def _send(self, event: Event) -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._layer.group_send(GROUP, event)
        except Exception as error:  # each layer has errors of its own
            logger.warning("Other workers could not be asked about drivers: %s", reason(error))
            return False
        return True
