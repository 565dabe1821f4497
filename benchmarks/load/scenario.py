"""One run: connect, warm up, measure, drain, check."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.load import cpu
from benchmarks.load.clients import Driver, Watcher, connect
from benchmarks.load.ledger import DriverLedger, MismatchError
from benchmarks.load.meter import Meter
from benchmarks.load.nchan import NchanDriver, NchanWatcher
from benchmarks.load.wire import access_token

# Handshakes in flight while a workload sets up. A storm has no such limit.
CONNECTING: Final = 64
CONNECT_TIMEOUT: Final = 60.0
# uvloop's timers have a resolution of 1 ms, so an open loop sends the fixes due each millisecond.
TICK: Final = 0.001
FIRST_RIDER: Final = 100_001


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Parameters of a run. `rate` is updates/s of all drivers; None means a closed loop."""

    url: str
    server: int
    signing_key: str
    drivers: int
    watchers: int
    seconds: float
    warm_up: float
    drain: float
    rate: float | None = None
    stalled: int = 0
    storm: bool = False
    idle: bool = False
    dialect: str = "tracking"


class Run:
    """The scenario's clients and what they measured."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.meter = Meter(scenario.server)
        key = scenario.signing_key
        nchan = scenario.dialect == "nchan"
        driver_type, watcher_type = (NchanDriver, NchanWatcher) if nchan else (Driver, Watcher)
        self.drivers = [
            driver_type(self.meter, DriverLedger(driver_id), access_token(driver_id, key))
            for driver_id in range(1, scenario.drivers + 1)
        ]
        self.watchers = [
            watcher_type(
                self.meter,
                self.drivers[index % scenario.drivers],
                access_token(FIRST_RIDER + index, key),
            )
            for index in range(scenario.watchers)
        ]
        # Stalled watchers are spread evenly over the drivers.
        step = scenario.watchers // scenario.stalled if scenario.stalled else 0
        self.stalled = set(self.watchers[::step][: scenario.stalled]) if step else set()

    async def __call__(self) -> dict[str, Any]:
        """Run the scenario and return its figures. Raises MismatchError if they are void."""
        work: asyncio.Future[dict[str, Any]] = asyncio.ensure_future(self._work())
        failure = self.meter.failure
        await asyncio.wait([work, failure], return_when=asyncio.FIRST_COMPLETED)
        if failure.done():
            work.cancel()
            failure.result()
        return await work

    async def _work(self) -> dict[str, Any]:
        if self.scenario.dialect == "nchan":
            # nchan's snapshot is the driver's last message.
            await self._connect_drivers()
            await asyncio.gather(
                *(driver.stored for driver in self.drivers if isinstance(driver, NchanDriver))
            )
        result = await self._connect_watchers()
        if self.scenario.seconds:
            if self.scenario.dialect != "nchan":
                await self._connect_drivers()
            for watcher in self.stalled:
                watcher.stall()
            result |= await self._measure()
        for client in (*self.drivers, *self.watchers):
            client.closing = True
        result["sent"] = {driver.ledger.driver_id: driver.ledger.sent for driver in self.drivers}
        result["acknowledged"] = {
            driver.ledger.driver_id: driver.ledger.acknowledged for driver in self.drivers
        }
        return result

    async def _connect_watchers(self) -> dict[str, Any]:
        limit = asyncio.Semaphore(len(self.watchers) if self.scenario.storm else CONNECTING)

        async def join(watcher: Watcher) -> None:
            async with limit:
                url = f"{self.scenario.url}/driver/get-tracking?userId="
                url += str(watcher.driver.ledger.driver_id)
                await connect(watcher, url, can_stall=watcher in self.stalled)
                await watcher.snapshot

        before = cpu.memory(self.scenario.server)
        own_cpu, begun = time.process_time(), time.perf_counter()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await asyncio.gather(*map(join, self.watchers))
        elapsed = time.perf_counter() - begun
        result: dict[str, Any] = {
            "connect_seconds": elapsed,
            "connect_generator_cpu_share": (time.process_time() - own_cpu) / elapsed,
        }
        if self.scenario.idle:
            # Wait until callbacks left by the handshakes have run.
            await asyncio.sleep(2)
            grown = cpu.memory(self.scenario.server) - before
            result["bytes_per_watcher"] = grown / len(self.watchers)
        return result

    async def _connect_drivers(self) -> None:
        limit = asyncio.Semaphore(CONNECTING)

        async def join(driver: Driver) -> None:
            async with limit:
                url = f"{self.scenario.url}/driver/set-tracking?userId={driver.ledger.driver_id}"
                await connect(driver, url)

        async with asyncio.timeout(CONNECT_TIMEOUT):
            await asyncio.gather(*map(join, self.drivers))

    async def _measure(self) -> dict[str, Any]:
        scenario = self.scenario
        self.meter.start()
        loop = asyncio.ensure_future(self._closed() if scenario.rate is None else self._open())
        await asyncio.sleep(scenario.warm_up)
        # A server that has not finished the first round by now works in waves: all tokens, all
        # writes, then all answers. Only whole rounds, from the first send to the last delivery,
        # measure it fairly.
        whole_rounds = scenario.rate is None and not all(
            driver.ledger.acknowledged for driver in self.drivers
        )
        if not whole_rounds:
            self.meter.start()
        await asyncio.sleep(scenario.seconds)
        if not whole_rounds:
            self.meter.stop()
        for driver in self.drivers:
            driver.closed_loop = False
        loop.cancel()
        drained = await self._drain()
        if whole_rounds:
            self.meter.stop()
        if scenario.rate is None and not drained:
            raise MismatchError(f"{scenario.drain:.0f} s after the last fix: {self._missing()}")
        return self.meter.result() | {"drained": drained}

    async def _closed(self) -> None:
        for driver in self.drivers:
            driver.closed_loop = True
            driver.send(time.perf_counter())

    async def _open(self) -> None:
        """Send on a fixed schedule, independent of answers, each driver in turn."""
        interval = 1 / self.scenario.rate if self.scenario.rate else 0
        due = time.perf_counter()
        while True:
            for driver in self.drivers:
                while due > time.perf_counter():  # noqa: ASYNC110 - a clock has no event
                    await asyncio.sleep(TICK)
                driver.send(due)
                due += interval

    def _missing(self) -> str:
        open_fixes = sum(driver.ledger.sent - driver.ledger.acknowledged for driver in self.drivers)
        behind = sum(
            watcher.ledger.seen < watcher.driver.ledger.sent
            for watcher in self.watchers
            if watcher not in self.stalled
        )
        if not open_fixes and not behind:
            return ""
        return f"{open_fixes} acknowledgements missing, {behind} watchers without the newest fix"

    async def _drain(self) -> bool:
        """Tell whether every acknowledgement and every watcher's newest fix came in time."""
        deadline = time.perf_counter() + self.scenario.drain
        while self._missing():
            if time.perf_counter() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True
