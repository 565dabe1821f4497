"""The path from fixes to watchers.

Fixes of drivers connected to this process are delivered at once; those of other processes arrive
through the channel layer, in batches. A watcher joins the driver's shard group first and reads the
snapshot second, so that no fix is missed between the two; fixes that arrive meanwhile wait for the
snapshot, as they may be older than it. The hub periodically reads from the database what it may
have missed: this repairs the loss of a message, and serves watchers from the database while the
channel layer is unavailable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tracking import metrics
from tracking.engine.batching import Loader
from tracking.engine.receiver import Receiver
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.pipeline.broadcast import all_shards, decode_batch, shard_of
from tracking.pipeline.feed import Feed
from tracking.pipeline.outbox import Outbox
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds. A feed that was quiet for one whole interval is read again. So a watcher's view is at
# most two intervals old when the channel layer loses messages or is unavailable: less than 2 s,
# reading included.
HEAL_INTERVAL: Final = 0.9
# Seconds that watchers wait for the stored fix before they get live ones without it, which happens
# when the database does not answer.
SNAPSHOT_TIMEOUT: Final = 1.0
# Deliveries between two turns of the event loop: 256 take about 3 ms (9 to 12 µs each).
DELIVERIES_PER_TURN: Final = 256

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Hub:
    """Delivers fixes to watchers; each batch is decoded once, and each frame encoded once.

    `load_snapshots` maps driver ids to their stored fixes. Batches of `origin` are this process's
    own: they are skipped, as their fixes were delivered before they were sent.
    """

    def __init__(
        self,
        receiver: Receiver,
        origin: str,
        load_snapshots: Callable[[list[DriverId]], Awaitable[Mapping[DriverId, Fix]]],
    ) -> None:
        self._receiver = receiver
        self._origin = origin
        self._load_snapshots = load_snapshots
        self._snapshots = Loader(load_snapshots)
        self._feeds: dict[DriverId, Feed] = {}
        self._followers: set[Callable[[Fix], None]] = set()
        # Drivers who went off duty since this process began: nothing recorded before that time is
        # delivered, and nothing at all while it is None.
        self._withdrawn: dict[DriverId, datetime | None] = {}
        self._shards: set[str] = set()
        self._healing: asyncio.Task[None] | None = None
        receiver.handle("tracking.fixes", self._deliver_batch)

    async def join(
        self,
        driver_id: DriverId,
        watcher: Outbox,
        *,
        details: bool = False,
        seen: Fix | None = None,
        since: datetime | None = None,
    ) -> None:
        """Deliver the driver's newest location to `watcher`, and every newer one from now on.

        With `since`, nothing recorded before that time: until a newer fix comes, the driver counts
        as one without a location.

        A watcher that joins again gets the newest location again, so that a client can check
        that its connection is alive. `seen` is what `leave` returned to it the last time.
        """
        feed = self.attach(driver_id, watcher, details=details, seen=seen, since=since)
        if not feed.known:
            await self.read(feed)

    def attach(
        self,
        driver_id: DriverId,
        watcher: Outbox,
        *,
        details: bool = False,
        seen: Fix | None = None,
        since: datetime | None = None,
    ) -> Feed:
        """Do as `join` without waiting for the database. If the feed is not known, await `read`."""
        self._start_healing()
        feed = self._feeds.get(driver_id)
        if feed is None:
            feed = self._feeds[driver_id] = Feed(driver_id)
        if seen is not None and not self._is_withdrawn(seen):
            feed.offer(seen)
        feed.add(watcher, details=details, since=since)
        feed.send_snapshot(watcher)
        return feed

    async def read(self, feed: Feed) -> None:
        """Read the stored fix of a new feed, once fixes of other processes arrive."""
        driver_id = feed.driver_id
        timer = asyncio.get_running_loop().call_later(SNAPSHOT_TIMEOUT, feed.release)
        try:
            await self._join_shard(shard_of(driver_id))
            feed.update(self._shown(await self._snapshots.get(driver_id)))
        except Exception as error:  # of any kind: healing retries
            logger.warning("A snapshot could not be read: %s", reason(error))
            feed.release()
        finally:
            timer.cancel()

    def limit(self, driver_id: DriverId, watcher: Outbox, since: datetime | None) -> None:
        """Limit `watcher`, if it has joined, to fixes recorded at `since` or later."""
        if (feed := self._feeds.get(driver_id)) is not None:
            feed.limit(watcher, since)

    def leave(self, driver_id: DriverId, watcher: Outbox) -> Fix | None:
        """Deliver nothing more to `watcher`; return the newest fix that it may have received."""
        feed = self._feeds.get(driver_id)
        if feed is None:
            return None
        feed.remove(watcher)
        if not feed.is_watched:
            del self._feeds[driver_id]
        return feed.newest

    def withdraw(self, driver_id: DriverId, until: datetime | None) -> None:
        """Show nothing of a driver that was recorded before `until`; with None, nothing at all."""
        if self._withdrawn.get(driver_id, _NEVER) == until:
            return
        self._withdrawn[driver_id] = until
        feed = self._feeds.get(driver_id)
        if feed is not None and feed.newest is not None and self._is_withdrawn(feed.newest):
            feed.clear()

    def _is_withdrawn(self, fix: Fix) -> bool:
        until = self._withdrawn.get(fix.driver_id, _NEVER)
        return until is None or fix.recorded_at < until

    def _shown(self, fix: Fix | None) -> Fix | None:
        return None if fix is None or self._is_withdrawn(fix) else fix

    async def follow(self, follower: Callable[[Fix], None]) -> None:
        """Call `follower` from now on with every fix of every driver, also with late ones."""
        self._start_healing()
        self._followers.add(follower)
        for shard in all_shards():
            await self._join_shard(shard)

    def unfollow(self, follower: Callable[[Fix], None]) -> None:
        """Stop calling `follower`."""
        self._followers.discard(follower)

    def deliver(self, fix: Fix) -> int:
        """Deliver `fix` to the driver's watchers in this process; return their number."""
        if self._withdrawn and self._is_withdrawn(fix):
            return 0
        for follower in self._followers:
            try:
                follower(fix)
            except Exception:  # a bug in one follower must not affect others
                logger.exception("A follower failed on a location")
        feed = self._feeds.get(fix.driver_id)
        if feed is None:
            return 0
        last = feed.newest
        try:
            deliveries = feed.offer(fix)
        except Exception:  # likewise; healing retries
            logger.exception("A location could not be delivered to its watchers")
            return 0
        # Late and repeated fixes do not count: a newer one may have been lost among them.
        if feed.newest is not None and feed.newest.is_elsewhere(last):
            feed.quiet = False
        if deliveries:
            metrics.delivered(fix, deliveries)
        return deliveries

    async def close(self) -> None:
        """Stop healing, and the feeds' timers."""
        if self._healing is not None:
            self._healing.cancel()
            await asyncio.wait([self._healing])
        for feed in self._feeds.values():
            feed.close()
        await self._snapshots.close()

    def _start_healing(self) -> None:
        if self._healing is None:
            self._healing = asyncio.create_task(self._heal_forever())

    async def _join_shard(self, shard: str) -> None:
        self._shards.add(shard)
        await self._receiver.join(shard)

    async def _deliver_batch(self, event: dict[str, Any]) -> None:
        if event.get("origin") == self._origin:
            return
        deliveries = 0
        for fix in decode_batch(event):
            deliveries += self.deliver(fix)
            if deliveries >= DELIVERIES_PER_TURN:
                deliveries = 0
                await asyncio.sleep(0)

    async def _heal_forever(self) -> None:
        while True:
            await asyncio.sleep(HEAL_INTERVAL)
            try:
                await self._heal()
            except Exception as error:  # the database is unavailable; the next round retries
                logger.warning("Watched locations could not be read again: %s", reason(error))

    async def _heal(self) -> None:
        if not self._followers:
            unwatched = self._shards - {shard_of(driver_id) for driver_id in self._feeds}
            for shard in unwatched:
                self._receiver.leave(shard)
            self._shards -= unwatched
        quiet = [driver_id for driver_id, feed in self._feeds.items() if feed.quiet]
        for feed in self._feeds.values():
            feed.quiet = True
        if quiet:
            stored = await self._load_snapshots(quiet)
            for driver_id in quiet:
                if driver_id in self._feeds:
                    self._update(self._feeds[driver_id], self._shown(stored.get(driver_id)))

    @staticmethod
    def _update(feed: Feed, fix: Fix | None) -> None:
        try:
            deliveries = feed.update(fix)
        except Exception:  # a bug in one feed must not affect the others
            logger.exception("A location that was read from the database could not be delivered")
        else:
            if fix is not None and deliveries:
                metrics.delivered(fix, deliveries)
