"""Changes of drivers' states and of trips, from whichever process made them.

A notice over the channel layer says what to read; the database is also polled, so that a lost
notice, or a channel layer that is unavailable, delays a change by less than half a second.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, Final, NamedTuple

from django.utils import timezone

from tracking.changes import GROUP
from tracking.engine.receiver import Event, Receiver
from tracking.ids import DriverId, UserId, from_plain
from tracking.models import DriverState, DriverStateChange, Trip, TripChange
from tracking.pipeline.duty import StateRow, load_states
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds between two polls. A change must take effect within a second, reading included.
POLL_INTERVAL: Final = 0.4
# Seconds between two polls in a project that has no state and no trip yet.
IDLE_INTERVAL: Final = 0.9
# Seconds between two reads of all that is known here, for changes that no poll sees: those of
# transactions that took longer than SLACK.
REFRESH_INTERVAL: Final = 30.0
# The duration of a commit plus the difference between the clocks of two servers, up to which a poll
# sees a change.
SLACK: Final = timedelta(seconds=3)
# Drivers per query.
PAGE: Final = 1_000


class Recent(NamedTuple):
    """The drivers and trips of the last changes, by the id of the change."""

    drivers: dict[int, DriverId]
    trips: dict[int, int]


def load_recent(since: datetime) -> Recent:
    """Return the changes that were made at `since` or later."""
    states = DriverStateChange.objects.filter(changed_at__gte=since)
    trips = TripChange.objects.filter(changed_at__gte=since)
    return Recent(
        dict(states.values_list("pk", "driver_id")), dict(trips.values_list("pk", "trip_id"))
    )


def load_use() -> bool:
    """Return True if there is a driver's state or a trip."""
    return DriverState.objects.exists() or Trip.objects.exists()


def load_riders(trip_ids: Iterable[int]) -> list[UserId]:
    """Return the users who ride these trips."""
    riders = Trip.riders.through._default_manager.filter(trip__in=list(trip_ids))
    return list(riders.values_list(Trip.riders.field.m2m_reverse_name(), flat=True).distinct())


class Changes:
    """Reads what has changed, and passes it on.

    `known` returns the drivers whose states are kept in this process, `on_states` receives states
    that were read again, `on_trips` ids of trips, and `on_riders` users whose grants may have
    changed with a trip. `read` runs a function in a thread that has a database connection.
    """

    def __init__(
        self,
        receiver: Receiver,
        read: Callable[..., Awaitable[Any]],
        *,
        known: Callable[[], list[DriverId]],
        on_states: Callable[[Mapping[DriverId, StateRow]], None],
        on_trips: Callable[[list[int]], Awaitable[None]],
        on_etas: Callable[[list[int]], Awaitable[None]],
        on_riders: Callable[[list[UserId]], None],
    ) -> None:
        self._receiver = receiver
        self._read = read
        self._known = known
        self._on_states = on_states
        self._on_trips = on_trips
        self._on_etas = on_etas
        self._on_riders = on_riders
        self._task: asyncio.Task[None] | None = None
        self._noticed = asyncio.Event()
        # False until there is a state or a trip.
        self._in_use = False
        # The loop's time at which the last round began that passed on all changes, and an event
        # that is set at the end of the next such round.
        self._read_at = -inf
        self._round = asyncio.Event()
        self._drivers: set[DriverId] = set()
        self._trips: set[int] = set()
        self._etas: set[int] = set()
        # The ids of changes that were passed on, of the last polls.
        self._seen_states: set[int] = set()
        self._seen_trips: set[int] = set()
        receiver.handle(GROUP, self._notice)

    async def listen(self) -> None:
        """Pass changes on from now on; call this before reading what they are about."""
        if self._task is None:
            self._task = asyncio.create_task(self._poll_forever())
        await self._receiver.join(GROUP)

    async def current(self, max_age: float) -> None:
        """Return once all changes that were committed `max_age` seconds ago are passed on.

        Await `listen` before. While the database does not answer, this waits.
        """
        loop = asyncio.get_running_loop()
        while loop.time() - self._read_at > max_age:
            if not self._in_use:
                # The states matter: from now on they are read at the short interval.
                self._in_use = True
                self._noticed.set()
            await self._round.wait()

    async def read_states(self, driver_ids: list[DriverId]) -> None:
        """Read these drivers' states, and pass them on; raise database errors."""
        self._on_states(await self._read(load_states, driver_ids))

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _notice(self, event: Event) -> None:
        self._drivers.update(map(from_plain, event["drivers"]))
        self._trips.update(event["trips"])
        # A worker of an earlier version sends none.
        self._etas.update(event.get("etas", ()))
        self._in_use = True
        self._noticed.set()

    async def _poll_forever(self) -> None:
        loop = asyncio.get_running_loop()
        since, refreshed_at = timezone.now(), loop.time()
        polled_at = -IDLE_INTERVAL
        while True:
            self._noticed.clear()
            began, began_at = timezone.now(), loop.time()
            try:
                # Notices in between cost no poll.
                due = began_at - polled_at >= self._interval
                if due:
                    await self._poll(since - SLACK)
                    since, polled_at = began, began_at
                await self._pass_on()
                if due:
                    self._read_at = began_at
                    self._round.set()
                    self._round = asyncio.Event()
                if began_at - refreshed_at >= REFRESH_INTERVAL:
                    refreshed_at = began_at
                    await self._refresh()
            except Exception as error:  # the database is unavailable; the next round retries
                logger.warning("Changes could not be read, retrying: %s", reason(error))
                await asyncio.sleep(POLL_INTERVAL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, polled_at + self._interval - loop.time())):
                    await self._noticed.wait()

    @property
    def _interval(self) -> float:
        return POLL_INTERVAL if self._in_use else IDLE_INTERVAL

    async def _poll(self, since: datetime) -> None:
        if not self._in_use:
            self._in_use = await self._read(load_use)
            if not self._in_use:
                return
            since -= timedelta(seconds=IDLE_INTERVAL)
        recent: Recent = await self._read(load_recent, since)
        self._drivers.update(
            driver_id for pk, driver_id in recent.drivers.items() if pk not in self._seen_states
        )
        self._trips.update(
            trip_id for pk, trip_id in recent.trips.items() if pk not in self._seen_trips
        )
        self._seen_states, self._seen_trips = set(recent.drivers), set(recent.trips)

    async def _pass_on(self) -> None:
        drivers, self._drivers = self._drivers, set()
        trips, self._trips = self._trips, set()
        etas, self._etas = self._etas - trips, set()
        try:
            if drivers:
                await self.read_states(list(drivers))
                drivers = set()
            if trips:
                await self._on_trips(list(trips))
                self._on_riders(await self._read(load_riders, trips))
                trips = set()
            if etas:
                await self._on_etas(list(etas))
                etas = set()
        finally:
            # What could not be read is read in the next round.
            self._drivers |= drivers
            self._trips |= trips
            self._etas |= etas

    async def _refresh(self) -> None:
        known = self._known()
        for start in range(0, len(known), PAGE):
            await self.read_states(known[start : start + PAGE])
