"""The program of `moving_fleet`: drives until its input ends."""

import asyncio
import random
import sys
from datetime import timedelta

import django

django.setup()

from ridehail.demo.simulation.city import City  # noqa: E402
from ridehail.demo.simulation.vehicle import Vehicle  # noqa: E402
from tracking.fix import Fix  # noqa: E402
from tracking.protocol import degrees  # noqa: E402
from tracking.runtime import Runtime, get_runtime  # noqa: E402

TICK = 0.05  # seconds
STALE_FOR = timedelta(seconds=20)


class Nobody:
    """A waiter that ignores acknowledgements and ends the program on a rejected fix."""

    def acknowledge(self, fix: Fix) -> None:
        pass

    def reject(self, fix: Fix) -> None:
        sys.exit(f"driver {fix.driver_id} is no user")

    def discard(self, fix: Fix) -> None:
        sys.exit(f"a fix of driver {fix.driver_id} is no fix")


class Driver:
    def __init__(self, runtime: Runtime, driver_id: int, vehicle: Vehicle) -> None:
        self.runtime, self.driver_id, self.vehicle = runtime, driver_id, vehicle

    def submit(self, seconds: float, *, ago: timedelta = timedelta(), leaves: bool = False) -> None:
        """Drive for so many seconds, and submit the position."""
        position = self.vehicle.advance(seconds)
        at = self.runtime.clock.now() - ago
        fix = Fix(
            self.driver_id,
            degrees("lat", position.latitude, 90),
            degrees("lon", position.longitude, 180),
            at,
            at,
            5.0,
            round(position.heading, 1) % 360,
            round(position.speed, 1),
            at if leaves else None,
        )
        self.runtime.submit([fix], Nobody())


async def main(first_id: int, count: int, rate: int) -> None:
    runtime = get_runtime()
    city, rng = City.load(), random.Random(1)
    drivers = [Driver(runtime, first_id + n, Vehicle(city, rng)) for n in range(count)]
    # Every tenth driver has left, and every tenth has been silent for a while.
    moving = []
    for number, driver in enumerate(drivers):
        driver.submit(
            0.0, ago=STALE_FOR if number % 10 == 1 else timedelta(), leaves=number % 10 == 0
        )
        if number % 10 > 1:
            moving.append(driver)
        if number % 500 == 499:
            await runtime.drain()
    await runtime.drain()
    print("ready", flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    interval = len(moving) / rate
    due, loop = 0.0, asyncio.get_running_loop()
    while not ended.done():
        began = loop.time()
        # Fixes that a busy machine is too slow for are dropped, not sent later in a burst.
        due = min(due + rate * TICK, 4 * rate * TICK)
        for _ in range(int(due)):
            moving.append(moving.pop(0))
            moving[-1].submit(interval)
        due -= int(due)
        await asyncio.sleep(max(0.0, TICK - (loop.time() - began)))
    await runtime.close()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
