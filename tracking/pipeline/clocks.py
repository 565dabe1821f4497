"""The devices' clocks: what is known of them here, and what the database keeps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from tracking.device_clock import DeviceClock
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Of devices that report over HTTP, without a connection that could keep them: some 400 bytes each.
# The one made first is dropped first, and begins with what the database has.
MAX_CLOCKS: Final = 16_384

# Seconds that a first fix waits for what the database has. Live locations do not wait for it.
LOAD_TIMEOUT: Final = 1.0


class DeviceClocks:
    """Gives each device its clock, with the offset that its driver's stored fix was corrected by.

    `load` returns a driver's stored fix.
    """

    def __init__(self, load: Callable[[DriverId], Awaitable[Fix | None]]) -> None:
        self._load = load
        self._clocks: dict[tuple[DriverId, int | None], DeviceClock] = {}

    async def new(self, driver_id: DriverId) -> DeviceClock:
        """Return a clock for a device that has just connected."""
        stored = None
        try:
            async with asyncio.timeout(LOAD_TIMEOUT):
                stored = await self._load(driver_id)
        except Exception as error:  # a clock can be judged anew
            logger.warning("A device's clock could not be read: %s", reason(error))
        return DeviceClock(None if stored is None else stored.clock_offset)

    async def of(self, driver_id: DriverId, device_id: int | None) -> DeviceClock:
        """Return the clock of a driver's device that reports over HTTP."""
        key = driver_id, device_id
        clock = self._clocks.get(key)
        if clock is None:
            clock = await self.new(driver_id)
            # Of two requests at once, the second takes the first one's.
            clock = self._clocks.setdefault(key, clock)
            if len(self._clocks) > MAX_CLOCKS:
                del self._clocks[next(iter(self._clocks))]
        return clock
