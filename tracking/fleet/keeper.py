"""The state of the whole fleet, kept up to date for as long as it has a holder.

It is read from the database for the first holder, updated by fixes from the hub and by repeated
reads of the database, and dropped after the last holder. A viewer of the fleet's map holds it while
it streams; a search for the nearest cars holds it without viewers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tracking.fix import Fix
from tracking.fleet.rows import load_marks, load_names, load_page
from tracking.fleet.state import Fleet
from tracking.ids import DriverId, UserId
from tracking.people import USER_IDS
from tracking.pipeline.duty import StateRow, load_states
from tracking.pipeline.hub import Hub
from tracking.pipeline.rows import load_snapshots
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds between two reads of what the hub may have missed, which viewers get with their next
# batch: while the channel layer is unavailable, they see every move within 2 s.
HEAL_INTERVAL: Final = 1.0
# Seconds between two reads of everything, for changed names and deleted drivers: 0.4 s in another
# thread for 10,000 drivers.
REFRESH_INTERVAL: Final = 30.0
# The duration of a commit plus the difference between the clocks of two servers, up to which the
# next healing round reads a fix that was missed; beyond it, the next refresh does.
SLACK: Final = timedelta(seconds=1)


class Keeper:
    """Keeps `fleet`, the state of all drivers, while it has holders.

    `read` runs one of `fleet.rows`' functions in a thread that has a database connection.
    """

    def __init__(
        self,
        hub: Hub,
        read: Callable[..., Awaitable[Any]],
        now: Callable[[], datetime],
        listen: Callable[[], Awaitable[None]],
    ) -> None:
        """Await `listen` before the first read: it has `apply_states` called for each change."""
        self._hub = hub
        self._read = read
        self._now = now
        self._listen = listen
        self.fleet = Fleet(now)
        # Set once all drivers were read.
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
        """Drop the state if it has no other holder."""
        self._holders.discard(holder)
        if not self._holders and self._task is not None:
            self._task.cancel()
            self._task = None
            self._hub.unfollow(self._take)
            self.fleet = Fleet(self._now)
            self.loaded = asyncio.Event()

    def look_up(self, user_ids: list[UserId]) -> None:
        """Look up changed users, so that deleted and deactivated drivers are removed at once."""
        if known := self.fleet.driver_ids & set(user_ids):
            self.fleet.nameless.update(known)
            self._changed.set()

    def apply_states(self, rows: Mapping[DriverId, StateRow]) -> None:
        """Take over drivers' states that have changed."""
        if self._task is not None:
            self.fleet.set_states(rows)

    async def close(self) -> None:
        """Stop, even if there are holders."""
        task = self._task
        for holder in list(self._holders):
            self.release(holder)
        if task is not None:
            await asyncio.wait([task])

    def _take(self, fix: Fix) -> None:
        self.fleet.take(fix)

    async def _keep(self) -> None:
        # Before the first read, so that nothing is missed in between.
        await self._listen()
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
            except Exception as error:  # the database is unavailable; the next round retries
                logger.warning("The fleet could not be read again: %s", reason(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAL_INTERVAL):
                    await self._changed.wait()
            self._changed.clear()

    async def _refresh(self) -> None:
        """Read all drivers and their names again, and remove those that no longer exist."""
        fleet = self.fleet
        missing = fleet.driver_ids - fleet.nameless
        after = USER_IDS.lowest
        while page := await self._read(load_page, after):
            # First, so that nobody off duty is shown.
            fleet.set_states(await self._read(load_states, [fix.driver_id for fix, _ in page]))
            for fix, name in page:
                fleet.take(fix)
                fleet.rename(fix.driver_id, name)
                missing.discard(fix.driver_id)
                after = fix.driver_id
        for driver_id in missing:
            fleet.remove(driver_id)

    async def _heal(self, since: datetime) -> None:
        """Read drivers whose row is newer than the state kept here."""
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
        """Look up the names of new drivers; remove those without one, deleted or deactivated."""
        fleet = self.fleet
        newcomers = list(fleet.nameless)
        if newcomers:
            names = await self._read(load_names, newcomers)
            fleet.set_states(await self._read(load_states, newcomers))
            for driver_id in newcomers:
                if driver_id in names:
                    fleet.rename(driver_id, names[driver_id])
                else:
                    fleet.remove(driver_id)
