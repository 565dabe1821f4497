"""The drivers that are connected to this process, and their departures.

The end of a connection alone does not mean that a driver has left: phones change networks and
reconnect within seconds, often to another worker. A driver has left once `GRACE_PERIOD` has passed
without a connection to any worker and without a newer fix.
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

# Seconds that a driver has to reconnect.
GRACE_PERIOD: Final = 5.0

# Seconds that follow it, in which other workers answer whether a driver is connected to them. They
# need milliseconds. Asking earlier would miss drivers that reconnect in between.
ANSWER_TIMEOUT: Final = 0.25

GROUP: Final = "tracking.presence"
QUESTION: Final = "tracking.presence.question"
ANSWER: Final = "tracking.presence.answer"


class Driver:
    """A driver's number of connections to this process, and its newest fix received here."""

    __slots__ = ("connections", "newest")

    def __init__(self) -> None:
        self.connections = 0
        self.newest: Fix | None = None


class Departure:
    """The end of a driver's last connection, and the loop's time until which it may reconnect."""

    __slots__ = ("at", "until")

    def __init__(self, at: datetime, until: float) -> None:
        self.at = at
        self.until = until


class Presence:
    """Submits the departures of drivers: the newest fix once more, with `disconnected_at`.

    A driver that sends only over HTTP has no connection and never departs: it becomes offline with
    time alone. `load_snapshots` maps driver ids to their stored fixes. `draining` returns True once
    this process is stopping.
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
        # In the order of departure.
        self._departures: dict[DriverId, Departure] = {}
        self._task: asyncio.Task[None] | None = None
        receiver.handle(QUESTION, self._answer)
        receiver.handle(ANSWER, self._cancel_departures)

    async def arrive(self, driver_id: DriverId) -> None:
        """Count a driver's new connection, before its first fix is submitted.

        The caller must call `depart` once for each call, even if the call was cancelled.
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

    def forget(self, driver_id: DriverId) -> None:
        """Submit no departure of a driver who is off duty; the place was forgotten."""
        driver = self._drivers.get(driver_id)
        if driver is not None:
            driver.newest = None
            if not driver.connections:
                self._departures.pop(driver_id, None)
                del self._drivers[driver_id]

    def depart(self, driver_id: DriverId) -> None:
        """Stop counting a driver's connection; after the last one, the grace period begins."""
        driver = self._drivers[driver_id]
        driver.connections -= 1
        if driver.connections:
            return
        if driver.newest is None or self._draining():
            # A server that stops sends its drivers to another one. They have not left, and must
            # not be offline until they reconnect. Those that do not become offline with time.
            del self._drivers[driver_id]
            return
        loop = asyncio.get_running_loop()
        self._departures[driver_id] = Departure(self._clock.now(), loop.time() + GRACE_PERIOD)
        if self._task is None:
            self._task = loop.create_task(self._settle_forever())

    async def close(self) -> None:
        """Stop; submit no departure of drivers whose grace period is running."""
        self._departures.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def acknowledge(self, fix: Fix) -> None:
        """Do nothing: no client waits for a departure to be stored."""

    def reject(self, fix: Fix) -> None:
        """Do nothing: the driver's account is deleted."""

    def discard(self, fix: Fix) -> None:
        """Do nothing: the driver becomes offline with time."""

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
                except Exception as error:  # the database is unavailable; the next round retries
                    logger.warning("Departed drivers could not be looked up: %s", reason(error))
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
            # A fix stored by another worker since then means that the driver is connected there.
            # If the other workers could not be asked, so does one stored there before.
            since = departure.at if asked else newest.heard
            if row is not None and row.heard > since:
                continue
            if row is not None:
                newest = row.merged_with(newest)  # The last fix received here may be a late one.
            if newest.heard <= departure.at:
                left = msgspec.structs.replace(newest, disconnected_at=departure.at)
                self._submit([left], self)

    def _still(self, due: Mapping[DriverId, Departure]) -> list[DriverId]:
        """Return the drivers of `due` that have not reconnected since, even to depart once more."""
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
        """Cancel the departures of drivers that are connected to another worker."""
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
