"""The streams of trips: each follows the trip from driver to driver, and ends with it.

A follower joins the trip first and reads it second, so that no change is missed in between. A
change is read from the database, for all followers of the trip at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from tracking.engine.batching import Loader
from tracking.ids import DriverId, UserId
from tracking.pipeline.hub import Hub
from tracking.pipeline.outbox import Outbox
from tracking.throttled_log import Throttle, reason
from tracking.trips.rows import TripRow, load_trips, load_versions

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds between two reads of the versions of all followed trips, for changes of which this process
# got no notice and that no poll of the last changes sees.
CHECK_INTERVAL: Final = 5.0


# The fields of a trip that say what of whom its followers watch.
_WATCHED: Final = slice(TripRow._fields.index("driver_id"), TripRow._fields.index("until") + 1)


class Follower(Protocol):
    """One connection that follows a trip."""

    outbox: Outbox

    def frame_of(self, trip: TripRow) -> str:
        """Return the frame of the trip that this connection gets."""

    def since_of(self, trip: TripRow) -> datetime | None:
        """Return the time before which it is shown nothing of the trip's driver."""

    def may_follow(self, trip: TripRow) -> bool:
        """Return True if the user still belongs to the trip, or may see all trips."""

    def driver_changed(self, trip: TripRow) -> None:
        """Receive the notice that locations of the trip's driver follow, if it has one."""

    def trip_ended(self, trip: TripRow) -> None:
        """End the stream, because the trip has ended; its last frame is sent."""

    def excluded(self) -> None:
        """End the stream, because the user does not belong to the trip any more."""


class Feed:
    """A followed trip and its followers. `readers` is the number of those that are about to be."""

    __slots__ = ("followers", "readers", "trip")

    def __init__(self) -> None:
        self.followers: set[Follower] = set()
        self.readers = 0
        self.trip: TripRow | None = None

    @property
    def driver_id(self) -> DriverId | None:
        """The driver that the followers watch."""
        return None if self.trip is None else self.trip.driver_id


class TripHub:
    """Sends trips to their followers of this process, with the locations of their drivers.

    `read` runs a function in a thread that has a database connection.
    """

    def __init__(self, hub: Hub, read: Callable[..., Awaitable[Any]]) -> None:
        self._hub = hub
        self._read = read
        self._trips: Loader[int, TripRow] = Loader(lambda ids: read(load_trips, ids))
        self._feeds: dict[int, Feed] = {}
        self._joining: set[asyncio.Task[None]] = set()
        self._checking: asyncio.Task[None] | None = None

    async def get(self, trip_id: int) -> TripRow | None:
        """Return a trip as the database has it now, None if there is none; raise its errors."""
        return await self._trips.get(trip_id)

    async def follow(self, trip_id: int, follower: Follower) -> None:
        """Send the trip to `follower`, and everything that happens to it from now on.

        A follower that follows already gets the trip, and the newest location, again.
        """
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_forever())
        feed = self._feeds.setdefault(trip_id, Feed())
        feed.readers += 1
        try:
            trip = await self._trips.get(trip_id)
        finally:
            feed.readers -= 1
            self._discard_unused(trip_id)
        if trip is not None:
            self.apply(trip)
        newest = feed.trip if feed.trip is not None else trip
        if newest is None or not follower.may_follow(newest):
            follower.excluded()
            return
        self._feeds[trip_id] = feed
        feed.trip = newest
        feed.followers.add(follower)
        self._show(feed, follower, newest, join=True)

    def leave(self, trip_id: int, follower: Follower) -> None:
        """Send nothing more to `follower`."""
        feed = self._feeds.get(trip_id)
        if feed is None:
            return
        feed.followers.discard(follower)
        if feed.driver_id is not None:
            self._hub.leave(feed.driver_id, follower.outbox)
        self._discard_unused(trip_id)

    def _discard_unused(self, trip_id: int) -> None:
        feed = self._feeds.get(trip_id)
        if feed is not None and not feed.followers and not feed.readers:
            del self._feeds[trip_id]

    async def changed(self, trip_ids: list[int]) -> None:
        """Read these trips again, as far as they are followed; raise database errors."""
        if followed := [pk for pk in trip_ids if pk in self._feeds]:
            trips: Mapping[int, TripRow] = await self._read(load_trips, followed)
            for trip in trips.values():
                self.apply(trip)

    def users_changed(self, user_ids: list[UserId]) -> None:
        """Read the trips of changed drivers again: a name is new, or an account is deleted."""
        changed = set(user_ids)
        trips = [pk for pk, feed in self._feeds.items() if feed.driver_id in changed]
        if trips:
            self._spawn(self._reread(trips))

    async def close(self) -> None:
        """Stop."""
        tasks = [*self._joining, *([self._checking] if self._checking else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._trips.close()

    def apply(self, trip: TripRow) -> None:
        """Take over a trip that was read, unless a newer one was, and send it to its followers."""
        feed = self._feeds.get(trip.id)
        if feed is None or (feed.trip is not None and trip.says_the_same_as(feed.trip)):
            return
        if feed.trip is not None and feed.trip.version > trip.version:
            return
        former, feed.trip = feed.trip, trip
        moved = former is None or former[_WATCHED] != trip[_WATCHED]
        for follower in list(feed.followers):
            try:
                if former is not None and former.driver_id is not None and moved:
                    self._hub.leave(former.driver_id, follower.outbox)
                    # Nothing of the former driver follows the frame of the trip.
                    follower.outbox.withdraw()
                if follower.may_follow(trip):
                    self._show(feed, follower, trip, join=moved)
                else:
                    self.leave(trip.id, follower)
                    follower.excluded()
            except Exception:  # a bug in one follower must not affect the others
                logger.exception("A trip could not be sent")

    def _show(self, feed: Feed, follower: Follower, trip: TripRow, *, join: bool) -> None:
        follower.outbox.put({"type": "websocket.send", "text": follower.frame_of(trip)})
        if trip.ended is not None:
            self.leave(trip.id, follower)
            follower.outbox.withdraw()
            follower.trip_ended(trip)
        elif join:
            follower.driver_changed(trip)
            if trip.driver_id is not None:
                # At once: the next change may come before a task runs.
                since = follower.since_of(trip)
                watched = self._hub.attach(
                    trip.driver_id, follower.outbox, details=True, since=since
                )
                if not watched.known:
                    self._spawn(self._hub.read(watched))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            if not self._feeds:
                continue
            try:
                versions: Mapping[int, int] = await self._read(load_versions, list(self._feeds))
                stale = [pk for pk, version in versions.items() if self._is_older(pk, version)]
                await self.changed(stale)
            except Exception as error:  # the database is unavailable; the next round retries
                logger.warning("Followed trips could not be read again: %s", reason(error))

    def _is_older(self, trip_id: int, version: int) -> bool:
        feed = self._feeds.get(trip_id)
        return feed is not None and (feed.trip is None or feed.trip.version < version)

    async def _reread(self, trip_ids: list[int]) -> None:
        try:
            await self.changed(trip_ids)
        except Exception as error:  # the next change, or check, reads them
            logger.warning("Followed trips could not be read again: %s", reason(error))
