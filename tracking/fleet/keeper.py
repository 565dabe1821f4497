"""The state of everybody, kept up to date for as long as somebody holds it.

It is read from the database when the first holder comes, kept by what the hub delivers and by what
the database knows better, and dropped after the last. Viewers of the fleet's map hold it while they
look; a search for the nearest cars holds it without viewers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Any, Final

from tracking.fix import Fix
from tracking.fleet.rows import load_marks, load_names, load_page
from tracking.fleet.state import Fleet
from tracking.ids import UserId
from tracking.people import USER_IDS
from tracking.pipeline.hub import Hub
from tracking.pipeline.rows import load_snapshots
from tracking.throttled_log import reason

logger = logging.getLogger(__name__)

# Seconds after which what the hub missed is read again, and shown with a viewer's next batch: with
# the channel layer unavailable, viewers see everybody move within 2 s.
HEAL_INTERVAL: Final = 1.0
# Seconds after which everything is read again, for names that changed and drivers who were deleted:
# 0.4 s of another thread for 10,000 drivers.
REFRESH_INTERVAL: Final = 30.0
# How long a commit may take, and how far the clocks of two servers may be apart, for the next
# round to heal it; beyond, the next refresh does.
SLACK: Final = timedelta(seconds=1)


class Keeper:
    """Keeps `fleet`, the state of everybody, while it has holders.

    `read` runs one of `fleet.rows`' functions in a thread that has a database connection.
    """

    def __init__(
        self, hub: Hub, read: Callable[..., Awaitable[Any]], now: Callable[[], datetime]
    ) -> None:
        self._hub = hub
        self._read = read
        self._now = now
        self.fleet = Fleet(now)
        # Set once everybody was read.
        self.loaded = asyncio.Event()
        self._changed = asyncio.Event()
        self._holders: set[Hashable] = set()
        self._task: asyncio.Task[None] | None = None

    def hold(self, holder: Hashable) -> None:
        """Keep the state at least until `release` is called for the same holder."""
        self._holders.add(holder)
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    def release(self, holder: Hashable) -> None:
        """Drop the state if nobody else holds it."""
        self._holders.discard(holder)
        if not self._holders and self._task is not None:
            self._task.cancel()
            self._task = None
            self._hub.unfollow(self._take)
            self.fleet = Fleet(self._now)
            self.loaded = asyncio.Event()

    def look_up(self, user_ids: list[UserId]) -> None:
        """Look up drivers of whom something changed: the deleted and deactivated vanish at once."""
        if known := self.fleet.driver_ids & set(user_ids):
            self.fleet.nameless.update(known)
            self._changed.set()

    async def close(self) -> None:
        """Stop, whoever holds it."""
        task = self._task
        for holder in list(self._holders):
            self.release(holder)
        if task is not None:
            await asyncio.wait([task])

    def _take(self, fix: Fix) -> None:
        self.fleet.take(fix)

    async def _keep(self) -> None:
        # First, so that nothing falls between this and what is read.
        await self._hub.follow(self._take)
        loop = asyncio.get_running_loop()
        refreshed_at = healed_at = None
        while True:
            began_at, began = self._now(), loop.time()
            try:
                if refreshed_at is None or began - refreshed_at >= REFRESH_INTERVAL:
                    await self._refresh()
                    refreshed_at = began
                    self.loaded.set()
                elif healed_at is not None:
                    await self._heal(healed_at - SLACK)
                await self._name()
                healed_at = began_at
            except Exception as error:  # the database is unavailable, the next round tries
                logger.warning("The fleet could not be read again: %s", reason(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAL_INTERVAL):
                    await self._changed.wait()
            self._changed.clear()

    async def _refresh(self) -> None:
        """Read everybody again, with their names; forget who is no longer there."""
        fleet = self.fleet
        gone = fleet.driver_ids - fleet.nameless
        after = USER_IDS.lowest
        while page := await self._read(load_page, after):
            for fix, name in page:
                fleet.take(fix)
                fleet.rename(fix.driver_id, name)
                gone.discard(fix.driver_id)
                after = fix.driver_id
        for driver_id in gone:
            fleet.remove(driver_id)

    async def _heal(self, since: datetime) -> None:
        """Read who was heard later than is known here."""
        fleet = self.fleet
        marks = await self._read(load_marks, since)
        missed = [
            driver_id
            for driver_id, (heard, disconnected_at) in marks.items()
            if (known := fleet.fix_of(driver_id)) is None
            or heard > known.heard
            or (heard == known.heard and disconnected_at != known.disconnected_at)
        ]
        if missed:
            for fix in (await self._read(load_snapshots, missed)).values():
                fleet.take(fix)

    async def _name(self) -> None:
        """Look up who newcomers are; nameless are those deleted or deactivated meanwhile."""
        fleet = self.fleet
        newcomers = list(fleet.nameless)
        if newcomers:
            names = await self._read(load_names, newcomers)
            for driver_id in newcomers:
                if driver_id in names:
                    fleet.rename(driver_id, names[driver_id])
                else:
                    fleet.remove(driver_id)
