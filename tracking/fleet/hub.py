"""The path from the state of the fleet to its viewers."""

import asyncio
from collections.abc import Callable

from tracking.fleet.keeper import Keeper
from tracking.fleet.viewer import Viewer
from tracking.pipeline.outbox import Outbox
from tracking.protocol.fleet import Bbox


class FleetHub:
    """Streams the fleet to the viewers of this process; they share the state in `keeper`."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self._viewers: dict[Outbox, tuple[Viewer, asyncio.Task[None]]] = {}

    def view(self, outbox: Outbox, bbox: Bbox | None, on_failure: Callable[[], None]) -> None:
        """Stream the drivers in `bbox` (None: all) into `outbox`, until `on_failure` is called."""
        if outbox not in self._viewers:
            self.keeper.hold(outbox)
            viewer = Viewer(outbox, on_failure)
            self._viewers[outbox] = viewer, asyncio.create_task(self._stream(viewer))
        self._viewers[outbox][0].set_viewport(bbox)

    def leave(self, outbox: Outbox) -> None:
        """Stream nothing more into `outbox`."""
        if outbox in self._viewers:
            self._viewers.pop(outbox)[1].cancel()
            self.keeper.release(outbox)

    async def close(self) -> None:
        """Stop all streams."""
        await self.keeper.close()
        tasks = [task for _, task in self._viewers.values()]
        for outbox in list(self._viewers):
            self.leave(outbox)
        if tasks:
            await asyncio.wait(tasks)

    async def _stream(self, viewer: Viewer) -> None:
        fleet, loaded = self.keeper.fleet, self.keeper.loaded
        await loaded.wait()
        await viewer.stream(fleet)
