"""The clocks of devices: offsets known to this process, and those that the database keeps."""

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

# Clocks of devices that report over HTTP, and so have no connection to keep them: some 400 bytes
# each. Beyond this the oldest is dropped; its device's next clock starts from the stored offset.
MAX_CLOCKS: Final = 16_384

# Seconds that a device's first fix waits for the stored offset. Later fixes do not wait.
LOAD_TIMEOUT: Final = 1.0


class DeviceClocks:
    """Creates the clocks of devices, each with the offset of its driver's stored fix.

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
        except Exception as error:  # the offset can be measured again
            logger.warning("The stored offset of a clock could not be read: %s", reason(error))
        return DeviceClock(None if stored is None else stored.clock_offset)

    async def of(self, driver_id: DriverId, device_id: int | None) -> DeviceClock:
        """Return the clock of a driver's device that reports over HTTP."""
        key = driver_id, device_id
        clock = self._clocks.get(key)
        if clock is None:
            clock = await self.new(driver_id)
            # Of two concurrent requests, the second uses the clock of the first.
            clock = self._clocks.setdefault(key, clock)
            if len(self._clocks) > MAX_CLOCKS:
                del self._clocks[next(iter(self._clocks))]
        return clock
