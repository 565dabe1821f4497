"""The shifts of the town's drivers: now and then one goes off duty, and comes back."""

import asyncio
import random
from collections.abc import Mapping
from typing import Final

from ridehail.demo.simulation.phone import Phone
from ridehail.demo.simulation.town_time import TownTime
from tracking.ids import DriverId

# Seconds of the town.
FIRST: Final = 300.0  # until the first driver goes off duty
EVERY: Final = (60.0, 240.0)  # from one driver to the next
OFF_DUTY: Final = (300.0, 900.0)


async def change_shifts(
    phones: Mapping[DriverId, Phone], busy: set[DriverId], rng: random.Random, time: TownTime
) -> None:
    """Let free drivers go off duty, one now and then, until cancelled.

    Drivers in `busy` have a trip; who is off duty is busy, too.
    """
    async with asyncio.TaskGroup() as tasks:
        await time.pause(FIRST, FIRST)
        while True:
            if free := [driver_id for driver_id in phones if driver_id not in busy]:
                driver_id = rng.choice(free)
                busy.add(driver_id)
                tasks.create_task(_take_break(phones[driver_id], busy, time))
            await time.pause(*EVERY)


async def _take_break(phone: Phone, busy: set[DriverId], time: TownTime) -> None:
    # Refused if somebody else has given the driver a trip.
    if await phone.end_shift():
        await time.pause(*OFF_DUTY)
        phone.begin_shift()
    busy.discard(phone.driver_id)
