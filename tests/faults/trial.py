"""One scenario: the checks of every scenario, and the measured figures."""

import math
from asyncio import sleep
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self

from tests import services

from .load import Load
from .probe import Probe
from .system import System

# Seconds. A driver sends every 0.2 s; a watcher that waits no longer than this receives locations
# over the fast path.
PROMPT = 0.5


@dataclass(frozen=True)
class Measured:
    """A row of the table; times in seconds."""

    sent: int
    acknowledged: int
    kept: int | None  # in the history; None without one
    lost: int
    delivered: int
    gap: float
    prompt_after: float
    acknowledged_after: float
    dropped: int
    slowest_answer: float


class Trial:
    """Drivers and watchers on a system in which a fault is made. An async context manager.

    In the block, call `fault()` and `repaired()` at these times; a fault that needs no repair has
    no `repaired()`, and lasts until the end of the block. At its end the drivers stop, and the
    promises of every scenario are checked: all is acknowledged and every watcher has the newest fix
    within 5 s, each acknowledged fix is kept, no last known location is older than an acknowledged
    fix, and no frame was wrong. Without a history, a newer one may be kept for an acknowledged fix.
    """

    def __init__(
        self,
        postgres: services.Postgres,
        tokens: Mapping[int, str],
        *,
        load: Mapping[str, Any] | None = None,
        **system: Any,
    ) -> None:
        self.system = System(postgres, **system)
        self.load: Load
        self.began = self.faulty_since = self.faulty_until = self.ended = 0.0
        self.cpu: list[float] = []  # processor seconds per second of the fault, by worker
        self.memory: list[float] = []  # MiB by which the workers grew
        self.logs: dict[str, str] = {}  # what the workers wrote, by name
        self.measured: Measured
        self._tokens = tokens
        self._load_options = load or {}
        self._probes: dict[services.Uvicorn, Probe] = {}
        self._usage: dict[services.Uvicorn, tuple[float, float]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.system)
            self.began = monotonic()
            load = Load(self.system.urls, self._tokens, **self._load_options)
            self.load = await stack.enter_async_context(load)
            driver_id, token = next(iter(self._tokens.items()))
            for worker in self.system.workers:
                probe = Probe(worker.websocket_url, driver_id, token)
                self._probes[worker] = await stack.enter_async_context(probe)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, error_type: type[BaseException] | None, *error: object) -> None:
        async with self._stack:
            try:
                if error_type is None:
                    self.ended = monotonic()
                    if not self.faulty_until:
                        self._compare_usage(self.ended)
                    await self.load.settle(5)
                    await self._measure()
            finally:
                self.logs = {worker.name: worker.log() for worker in self.system.workers}

    async def go_on(self, seconds: float) -> None:
        """Let drivers send and watchers watch for a while."""
        await sleep(seconds)

    def fault(self) -> None:
        """Record that the fault has just happened."""
        self.faulty_since = monotonic()
        self._usage = {worker: _usage(worker) for worker in self.system.workers}

    def repaired(self) -> None:
        """Record that the fault has just been repaired."""
        self.faulty_until = monotonic()
        self._compare_usage(self.faulty_until)

    @property
    def lateness(self) -> float:
        """Return the longest time that a watcher waited for a newer fix during the fault."""
        return self.load.ledger.lateness(self.faulty_since, self.faulty_until)

    @property
    def acknowledged_meanwhile(self) -> int:
        """Return the number of fixes acknowledged during the fault, after its first second."""
        return self.load.ledger.acknowledged(self.faulty_since + 1, self.faulty_until)

    def _compare_usage(self, until: float) -> None:
        # Of the workers that are still running.
        for worker in self.system.workers:
            (cpu_before, memory_before), (cpu, memory) = self._usage[worker], _usage(worker)
            self.cpu.append((cpu - cpu_before) / (until - self.faulty_since))
            self.memory.append(memory - memory_before)

    async def _measure(self) -> None:
        ledger, load = self.load.ledger, self.load
        assert load.errors == []
        # After a fault that needs no repair, service must resume from the time of the fault.
        since = self.faulty_until or self.faulty_since
        again = ledger.acknowledged_again(since) - since
        prompt = ledger.prompt_since(PROMPT, self.ended) - since
        outdated = ledger.outdated(await self.system.stored())
        kept = await self.system.kept()
        self.measured = Measured(
            sent=ledger.sent,
            acknowledged=ledger.acknowledged(),
            kept=sum(map(len, kept.values())) if self.system.keeps_history else None,
            lost=ledger.lost(kept) if self.system.keeps_history else outdated,
            delivered=ledger.delivered,
            gap=ledger.gap(self.faulty_since, self.ended),
            prompt_after=max(0.0, prompt),
            acknowledged_after=max(0.0, again),
            dropped=sum(load.disconnects.values()),
            # Of the workers that were not killed.
            slowest_answer=max(
                self._probes[worker].slowest(self.faulty_since, self.ended)
                for worker in self.system.workers
            ),
        )
        assert self.measured.lost == 0
        assert outdated == 0
        assert math.isfinite(again)

    def assert_workers_are_well(self) -> None:
        """Assert that no socket was dropped, and no worker span, froze, grew or filled its log."""
        # Without a history, up to 256 fixes are acknowledged one by one: 51 s at this rate.
        assert self.load.ledger.skipped == 0 or (
            not self.system.keeps_history and self.faulty_until - self.faulty_since > 51
        )
        assert self.measured.dropped == 0, self.load.disconnects
        assert self.measured.slowest_answer < 0.5
        assert max(self.cpu) < 0.5
        assert max(self.memory) < 32
        for log in self.logs.values():
            assert "Traceback" not in log
            assert log.count("\n") < 40


def _usage(worker: services.Uvicorn) -> tuple[float, float]:
    return worker.cpu_seconds(), worker.resident() / 2**20
