"""From fixes to those who see the whole fleet.

One state of everybody serves all viewers of a process. It is read from the database when the
first of them comes, kept by what the hub hears and by what the database knows better, and dropped
after the last.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from tracking.fix import Fix
from tracking.fleet.rows import load_marks, load_names, load_page
from tracking.fleet.state import Fleet
from tracking.fleet.viewer import Viewer
from tracking.pipeline.hub import Hub
from tracking.pipeline.outbox import Outbox
from tracking.pipeline.rows import load_snapshots
from tracking.protocol.fleet import Bbox
from tracking.throttled_log import reason

logger = logging.getLogger(__name__)

# What the hub missed is read again after this time, and shown with a viewer's next batch: with
# the channel layer gone, viewers see everybody move within 2 s.
HEAL_INTERVAL: Final = 1.0
# Everything is read again, for names that changed and drivers who were deleted: 0.4 s of another
# thread for 10,000 drivers.
REFRESH_INTERVAL: Final = 30.0
# How long a commit may take, and how far the clocks of two servers may be apart, for the next
# round to heal it; beyond, the next refresh does.
SLACK: Final = timedelta(seconds=1)


class FleetHub:
    """Keeps the state of everybody while somebody looks.

    `read` runs one of `fleet.rows`' functions in a thread that has a database connection.
    """

    def __init__(
        self, hub: Hub, read: Callable[..., Awaitable[Any]], now: Callable[[], datetime]
    ) -> None:
        self._hub = hub
        self._read = read
        self._now = now
        self._fleet = Fleet(now)
        self._loaded = asyncio.Event()
        self._changed = asyncio.Event()
        self._viewers: dict[Outbox, tuple[Viewer, asyncio.Task[None]]] = {}
        self._keeping: asyncio.Task[None] | None = None

    def look(self, outbox: Outbox, bbox: Bbox | None, on_failure: Callable[[], None]) -> None:
        """Stream what is in `bbox`, or everybody, into `outbox`, until `on_failure` is called."""
        if outbox not in self._viewers:
            if self._keeping is None:
                self._keeping = asyncio.create_task(self._keep())
            viewer = Viewer(outbox, on_failure)
            self._viewers[outbox] = viewer, asyncio.create_task(self._stream(viewer))
        self._viewers[outbox][0].look(bbox)

    def leave(self, outbox: Outbox) -> None:
        """Stream nothing more into `outbox`."""
        if outbox in self._viewers:
            self._viewers.pop(outbox)[1].cancel()
        if not self._viewers and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
            self._hub.unfollow(self._take)
            self._fleet = Fleet(self._now)
            self._loaded = asyncio.Event()

    def look_up(self, user_ids: list[int]) -> None:
        """Look up drivers of whom something changed: the deleted and deactivated vanish at once."""
        if known := self._fleet.driver_ids & set(user_ids):
            self._fleet.nameless.update(known)
            self._changed.set()

    async def close(self) -> None:
        """Let all viewers go."""
        tasks = [task for _, task in self._viewers.values()]
        tasks += [self._keeping] if self._keeping is not None else []
        for outbox in list(self._viewers):
            self.leave(outbox)
        if tasks:
            await asyncio.wait(tasks)

    def _take(self, fix: Fix) -> None:
        self._fleet.take(fix)

    async def _stream(self, viewer: Viewer) -> None:
        fleet = self._fleet
        await self._loaded.wait()
        await viewer.stream(fleet)

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
                    self._loaded.set()
                elif healed_at is not None:
                    await self._heal(healed_at - SLACK)
                await self._name()
                healed_at = began_at
            except Exception as error:  # the database is away, the next round tries
                logger.warning("The fleet could not be read again: %s", reason(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAL_INTERVAL):
                    await self._changed.wait()
            self._changed.clear()

    async def _refresh(self) -> None:
        """Read everybody again, with their names; forget who is no longer there."""
        fleet = self._fleet
        gone = fleet.driver_ids - fleet.nameless
        after = 0
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
        fleet = self._fleet
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
        fleet = self._fleet
        newcomers = list(fleet.nameless)
        if newcomers:
            names = await self._read(load_names, newcomers)
            for driver_id in newcomers:
                if driver_id in names:
                    fleet.rename(driver_id, names[driver_id])
                else:
                    fleet.remove(driver_id)
