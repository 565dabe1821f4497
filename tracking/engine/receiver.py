"""The only channel of the process: its groups, and the handlers of its events."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from tracking import metrics
from tracking.engine.batching import Loader
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

Event = dict[str, Any]

# Seconds between two attempts on a failing channel layer, and until an unused group is left.
RETRY_AFTER: Final = 1.0
# Seconds that a caller of `join` waits for a channel layer that hangs.
JOIN_TIMEOUT: Final = 1.0
# Seconds. The in-memory and the core Redis layer drop members that have not joined again for a day.
REJOIN_AFTER: Final = 3600.0


class Receiver:
    """Receives events of groups, and calls the handler of each event's type.

    While the channel layer is unavailable, groups are remembered; they are joined when it is back.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._handlers: dict[str, Callable[[Event], Awaitable[None]]] = {}
        self._wanted: set[str] = set()
        self._joined: set[str] = set()
        self._memberships = Loader(self._join)
        self._channel: str | None = None
        self._failing = False
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, event_type: str, handler: Callable[[Event], Awaitable[None]]) -> None:
        """Call `handler` with each event of this type."""
        self._handlers[event_type] = handler

    async def join(self, group: str) -> None:
        """Receive the events of `group` once this returns, or once the layer is back."""
        self._wanted.add(group)
        if not self._tasks:
            self._tasks.add(asyncio.create_task(self._keep_forever()))
        if group not in self._joined and not self._failing:
            try:
                async with asyncio.timeout(JOIN_TIMEOUT):
                    await self._memberships.get(group)
            except TimeoutError as error:
                self._fail(error)  # Until the attempt under way succeeds, no other caller waits.

    def leave(self, group: str) -> None:
        """Leave `group` with the next round."""
        self._wanted.discard(group)

    async def close(self) -> None:
        """Stop receiving."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._memberships.close()

    async def _join(self, groups: list[str]) -> Mapping[str, None]:
        try:
            if self._channel is None:
                self._channel = await self._layer.new_channel()
                self._tasks.add(asyncio.create_task(self._receive_forever(self._channel)))
            for group in groups:
                await self._layer.group_add(group, self._channel)
                self._joined.add(group)
        except Exception as error:  # each layer has errors of its own
            self._fail(error)
        else:
            self._recover()
        return {}

    def _fail(self, error: Exception) -> None:
        logger.error("The channel layer is unavailable, retrying: %s", reason(error))
        self._failing = True
        metrics.degraded.begin("receiver")

    def _recover(self) -> None:
        if self._failing:
            logger.info("The channel layer is back")
            self._failing = False
            metrics.degraded.end("receiver")

    async def _keep_forever(self) -> None:
        loop = asyncio.get_running_loop()
        joined_at = loop.time()
        while True:
            await asyncio.sleep(RETRY_AFTER)
            # Through the loader, or a second channel could be opened while a join is slow.
            await asyncio.gather(*map(self._memberships.get, self._wanted - self._joined))
            for group in self._joined - self._wanted:
                if group in self._wanted:  # again, while another group was left
                    continue
                self._joined.discard(group)  # First: a join meanwhile has to add it again.
                try:
                    await self._layer.group_discard(group, self._channel)
                except Exception as error:  # each layer has errors of its own
                    logger.warning(
                        "A group could not be left, its events are ignored: %s", reason(error)
                    )
            if loop.time() - joined_at >= REJOIN_AFTER:
                joined_at = loop.time()
                self._joined.clear()

    async def _receive_forever(self, channel: str) -> None:
        while True:
            try:
                event = await self._layer.receive(channel)
            except Exception as error:  # each layer has errors of its own
                self._fail(error)
                # The layer may have lost its members, as a restarted Redis has.
                self._joined.clear()
                await asyncio.sleep(RETRY_AFTER)
                continue
            self._recover()
            try:
                await self._handlers[event["type"]](event)
            except Exception:
                logger.exception("An event from the channel layer was lost")
