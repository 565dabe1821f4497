"""From fixes to watchers.

What this process's own drivers send is delivered at once; what others send comes through the
channel layer, in batches. A watcher joins the driver's shard group first and reads the snapshot
second, so that nothing falls between the two; what comes meanwhile waits for the snapshot, as it
may be late. All the time the hub reads again what it may have missed: a lost message heals by
itself, and with the channel layer gone watchers live off the database.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
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

# A feed that was quiet for one whole interval is read again. So a watcher's view is at most two
# intervals old when the channel layer loses messages or is gone: less than 2 s, reading included.
HEAL_INTERVAL: Final = 0.9
# Seconds that watchers wait for what is stored before they get what comes without it, which is
# when the database stands still.
SNAPSHOT_TIMEOUT: Final = 1.0
# Deliveries between two turns of the event loop: 256 take about 3 ms (9 to 12 µs each).
DELIVERIES_PER_TURN: Final = 256


class Hub:
    """Decodes a batch once, encodes a frame once, hands it to those who watch.

    `load_snapshots` maps driver ids to their stored fixes. Batches of `origin` are this
    process's own, and were delivered before they were sent.
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

        Nothing that was recorded before `since`: until then it is a driver without a location.

        A watcher that joins again gets the newest location again: so a client can find out
        whether its connection is alive. `seen` is what it brings from the last time.
        """
        self._start_healing()
        feed = self._feeds.get(driver_id)
        if feed is None:
            feed = self._feeds[driver_id] = Feed(driver_id)
        if seen is not None:
            feed.offer(seen)
        feed.add(watcher, details=details, since=since)
        feed.send_snapshot(watcher)
        if feed.known:
            return
        patience = asyncio.get_running_loop().call_later(SNAPSHOT_TIMEOUT, feed.release)
        try:
            await self._join_shard(shard_of(driver_id))
            feed.update(await self._snapshots.get(driver_id))
        except Exception as error:  # whatever it is, healing tries again
            logger.warning("A snapshot could not be read: %s", reason(error))
            feed.release()
        finally:
            patience.cancel()

    def limit(self, driver_id: DriverId, watcher: Outbox, since: datetime | None) -> None:
        """Deliver to `watcher`, if it has joined, what was recorded at `since` or later."""
        if (feed := self._feeds.get(driver_id)) is not None:
            feed.limit(watcher, since)

    def leave(self, driver_id: DriverId, watcher: Outbox) -> Fix | None:
        """Deliver nothing more to `watcher`; return the newest it may have seen."""
        feed = self._feeds.get(driver_id)
        if feed is None:
            return None
        feed.remove(watcher)
        if not feed.is_watched:
            del self._feeds[driver_id]
        return feed.newest

    async def follow(self, follower: Callable[[Fix], None]) -> None:
        """Have `follower` called with whatever comes of any driver, old or new, from now on."""
        self._start_healing()
        self._followers.add(follower)
        for shard in all_shards():
            await self._join_shard(shard)

    def unfollow(self, follower: Callable[[Fix], None]) -> None:
        """Call `follower` no more."""
        self._followers.discard(follower)

    def deliver(self, fix: Fix) -> int:
        """Hand `fix` to the driver's watchers in this process; return to how many."""
        for follower in self._followers:
            try:
                follower(fix)
            except Exception:  # a bug of one follower's, and neither the driver's nor a watcher's
                logger.exception("A location could not be handed to a follower")
        feed = self._feeds.get(fix.driver_id)
        if feed is None:
            return 0
        last = feed.newest
        try:
            deliveries = feed.offer(fix)
        except Exception:  # likewise; healing tries again
            logger.exception("A location could not be delivered to its watchers")
            return 0
        # Of late ones, and of repeats, any number may hide a newer one that was lost.
        if feed.newest is not None and feed.newest.is_elsewhere(last):
            feed.quiet = False
        if deliveries:
            metrics.delivered(fix, deliveries)
        return deliveries

    async def close(self) -> None:
        """Stop reading again."""
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
            except Exception as error:  # the database is away, the next round tries
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
                    self._update(self._feeds[driver_id], stored.get(driver_id))

    @staticmethod
    def _update(feed: Feed, fix: Fix | None) -> None:
        try:
            deliveries = feed.update(fix)
        except Exception:  # a bug of one feed's, and the others are read again all the same
            logger.exception("A location that was read again could not be delivered")
        else:
            if fix is not None and deliveries:
                metrics.delivered(fix, deliveries)
