"""The state of the whole fleet, kept up to date for as long as it has a holder.

It is read from the database for the first holder, updated by fixes from the hub and by repeated
reads of the database, and dropped after the last holder. A viewer of the fleet's map holds it while
it streams; a search for the nearest cars holds it without viewers.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, Final, TypeVar

from tracking.fix import Fix
from tracking.fleet.rows import PAGE, load_marks, load_names, load_page, load_shown
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
# Seconds between two reads of everything, for changed names and deleted drivers, and the seconds
# over which such a read is spread: 100,000 drivers take the thread 3 s, in which it could not read
# what was missed, nor changes of states.
REFRESH_INTERVAL: Final = 30.0
REFRESH_TIME: Final = 15.0
# The duration of a commit plus the difference between the clocks of two servers, up to which the
# next healing round reads a fix that was missed; beyond it, the next refresh does.
SLACK: Final = timedelta(seconds=1)

# Rows that are taken over between two turns of the event loop. A page, and the marks of what 4,500
# drivers sent, held the loop for 3 ms each; with this, for 0.7 to 1.1 ms.
ROWS_PER_TURN: Final = 100

Item = TypeVar("Item")


async def _in_turns(rows: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield the rows, with a turn for others in between."""
    for number, row in enumerate(rows, 1):
        yield row
        if number % ROWS_PER_TURN == 0:
            await asyncio.sleep(0)


class _Refresh:
    """The progress of reading all drivers: the last one read, and those known but not read yet."""

    def __init__(self, fleet: Fleet) -> None:
        self.missing = fleet.driver_ids - fleet.nameless
        self.after: DriverId = USER_IDS.lowest


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

    async def settle(self) -> None:
        """Update the statuses that are due, with a turn for others in between."""
        more = self.fleet.expire()
        while more:
            await asyncio.sleep(0)
            more = self.fleet.expire()

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
        refreshed_at, healed_at = -inf, None
        refresh: _Refresh | None = None
        while True:
            began_at, began = self._now(), loop.time()
            # Also without a search, or the first one after a while would wait for 10,000s of them.
            await self.settle()
            try:
                if healed_at is not None:
                    await self._heal(healed_at - SLACK)
                if refresh is None and began - refreshed_at >= REFRESH_INTERVAL:
                    refresh, refreshed_at = _Refresh(self.fleet), began
                if refresh is not None and await self._read_on(refresh):
                    refresh = None
                    self.loaded.set()
                await self._name()
                healed_at = began_at
            except Exception as error:  # the database is unavailable; the next round retries
                logger.warning("The fleet could not be read again: %s", reason(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAL_INTERVAL):
                    await self._changed.wait()
            self._changed.clear()

    async def _read_on(self, refresh: "_Refresh") -> bool:
        """Read the first time all pages, later so many that reading all takes `REFRESH_TIME`.

        Return True once all are read, and the drivers that no longer exist removed.
        """
        count: float = inf
        if self.loaded.is_set():
            count = len(self.fleet.driver_ids) / PAGE / REFRESH_TIME * HEAL_INTERVAL
        while count > 0:
            page = await self._read(load_page, refresh.after)
            if not page:
                await self._remove(refresh.missing)
                return True
            # First, so that nobody off duty is shown.
            states = await self._read(load_states, [fix.driver_id for fix, _ in page])
            self.fleet.set_states(states)
            async for fix, name in _in_turns(page):
                self.fleet.take(fix)
                self.fleet.rename(fix.driver_id, name)
                refresh.missing.discard(fix.driver_id)
            refresh.after = page[-1][0].driver_id
            count -= 1
        return False

    async def _remove(self, missing: set[DriverId]) -> None:
        """Remove the drivers that were in no page, but for those who are back since."""
        if not missing:
            return
        stored = await self._read(load_snapshots, list(missing))
        for driver_id in missing & self.fleet.driver_ids:
            if driver_id in stored:
                self.fleet.nameless.add(driver_id)  # removed if it is not active
            else:
                self.fleet.remove(driver_id)

    async def _heal(self, since: datetime) -> None:
        """Read drivers whose row is newer than the state kept here."""
        fleet = self.fleet
        marks = await self._read(load_marks, since)
        missed = []
        async for driver_id, (heard, disconnected_at) in _in_turns(marks.items()):
            known = fleet.fix_of(driver_id)
            if (
                known is None
                or heard > known.heard
                or (heard == known.heard and disconnected_at != known.disconnected_at)
            ):
                missed.append(driver_id)
        if missed:
            stored = await self._read(load_shown, missed)
            async for fix in _in_turns(stored.values()):
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
