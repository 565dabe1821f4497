"""One viewer of the fleet: its viewport, and the drivers that it was sent."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from tracking.fleet.state import Fleet
from tracking.ids import DriverId
from tracking.pipeline.outbox import Outbox
from tracking.protocol.fleet import Bbox, Kind, encode_batch

logger = logging.getLogger(__name__)

# Seconds between two batches of a viewport. Everything in between is conflated.
INTERVAL: Final = 1.0
# Seconds between any two batches, however often the viewport moves: a snapshot of 10,000 drivers
# costs 6 ms, and 60 ms if their items are not encoded yet.
MIN_INTERVAL: Final = 0.25
# Some 260 KB, below the default limits of clients and servers, mostly 1 MiB. A frame takes 6 ms,
# and between two frames other tasks have a turn.
ITEMS_PER_FRAME: Final = 1_000


class Viewer:
    """Streams the fleet to one client: a snapshot of each new viewport, then what changes there.

    A frame is made once the client has received the one before, so a slow client gets fewer
    frames, each with the newest state, and delays no other client.
    """

    def __init__(self, outbox: Outbox, on_failure: Callable[[], None]) -> None:
        """Call `on_failure` if an error of the server ends the stream."""
        self._outbox = outbox
        self._on_failure = on_failure
        self._bbox: Bbox | None = None
        self._is_new = True
        self._asked = False
        self._moved = asyncio.Event()
        self._version = 0
        self._shown: set[DriverId] = set()
        self._counts: dict[str, int] = {}

    def set_viewport(self, bbox: Bbox | None) -> None:
        """Stream the drivers in `bbox`, None for all; send a frame even if it is unchanged."""
        self._asked = True
        if bbox != self._bbox:
            self._bbox = bbox
            self._is_new = True
            self._moved.set()

    async def stream(self, fleet: Fleet) -> None:
        """Send batches until cancelled."""
        try:
            while True:
                await self._expire(fleet)
                await self._send_batch(fleet)
                await asyncio.sleep(MIN_INTERVAL)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL - MIN_INTERVAL):
                        await self._moved.wait()
        except Exception:
            logger.exception("A stream of the fleet failed")
            self._on_failure()

    @staticmethod
    async def _expire(fleet: Fleet) -> None:
        more = fleet.expire()
        while more:
            await asyncio.sleep(0)
            more = fleet.expire()

    async def _send_batch(self, fleet: Fleet) -> None:
        """Send all changes, and return once the client has received them."""
        bbox, is_new = self._bbox, self._is_new
        asked, self._asked = self._asked, False
        if is_new:
            self._is_new = False
            self._moved.clear()
            self._version = 0
            self._shown.clear()
        kind: Kind = "snapshot" if is_new else "update"
        changed = list(fleet.changed_since(self._version))
        self._version = fleet.version
        counts = fleet.counts.copy() if is_new or fleet.counts != self._counts else None
        self._counts = counts or self._counts
        items: list[str] = []
        removed: list[DriverId] = []
        for entry in changed:
            if len(items) == ITEMS_PER_FRAME:
                await self._send(encode_batch(kind, items, (), counts, more=True))
                if self._is_new:
                    # The viewport has moved: its own snapshot follows in place of the rest.
                    return
                # A last frame must follow, even if it is empty.
                kind, items, counts, asked = "update", [], None, True
            fix = entry.fix
            if bbox is None or bbox.contains(fix.latitude, fix.longitude):
                self._shown.add(fix.driver_id)
                items.append(entry.item)
            elif fix.driver_id in self._shown:
                self._shown.remove(fix.driver_id)
                removed.append(fix.driver_id)
        missing = self._shown - fleet.driver_ids
        self._shown -= missing
        removed += missing
        if items or removed or counts or asked:
            await self._send(encode_batch(kind, items, removed, counts))

    async def _send(self, frame: str) -> None:
        self._outbox.put({"type": "websocket.send", "text": frame})
        await self._outbox.drain()
        await asyncio.sleep(0)
