"""The counts of the measured span, and whether the generator kept up."""

import asyncio
import time
from typing import Any, Final

from benchmarks.load import cpu

# The generator is the limit if it uses up a core. The lag of its loop shows the same on a shared
# core, but a busy server causes lag as well, so lag is checked in paced runs only.
CPU_LIMIT: Final = 0.9
LAG_LIMIT: Final = 0.005
LAG_INTERVAL: Final = 0.01


def percentiles(values: list[float]) -> dict[str, float] | None:
    """Return p50, p99 and p99.9 in milliseconds, and the number of values."""
    if not values:
        return None
    ordered = sorted(values)
    last = len(ordered) - 1
    marks = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    result = {name: 1000 * ordered[round(share * last)] for name, share in marks.items()}
    return result | {"count": len(ordered)}


class Meter:
    """Count between `start` and `stop`. The first failure voids the run."""

    def __init__(self, server: int) -> None:
        self.server = server
        self.acknowledgements = 0
        self.deliveries = 0
        self.acknowledgement_latencies: list[float] = []
        self.delivery_latencies: list[float] = []
        # Only latencies of fixes sent within this span are counted.
        self.since = float("inf")
        self.until = float("inf")
        self.failure: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._lags: list[float] = []
        self._lag_timer: asyncio.TimerHandle | None = None
        self._result: dict[str, Any] = {}

    def fail(self, error: Exception) -> None:
        """Void the run by raising this error in the waiting scenario."""
        if not self.failure.done():
            self.failure.set_exception(error)

    def start(self) -> None:
        """Start the measured span, or restart it."""
        self.acknowledgement_latencies.clear()
        self.delivery_latencies.clear()
        self._lags.clear()
        if self._lag_timer is None:
            self._measure_lag(time.perf_counter())
        self._counts = self.acknowledgements, self.deliveries
        self._server_cpu = cpu.cpu_seconds(self.server)
        self._own_cpu = time.process_time()
        self.since = time.perf_counter()

    def stop(self) -> None:
        """End the measured span."""
        self.until = time.perf_counter()
        own_cpu = time.process_time() - self._own_cpu
        server_cpu = cpu.cpu_seconds(self.server) - self._server_cpu
        acknowledgements = self.acknowledgements - self._counts[0]
        deliveries = self.deliveries - self._counts[1]
        seconds = self.until - self.since
        if self._lag_timer:
            self._lag_timer.cancel()
        self._result = {
            "seconds": seconds,
            "acknowledgements": acknowledgements,
            "deliveries": deliveries,
            "updates_per_second": acknowledgements / seconds,
            "deliveries_per_second": deliveries / seconds,
            "server_cpu_seconds": server_cpu,
            "generator_cpu_share": own_cpu / seconds,
            "generator_lag": percentiles(self._lags),
        }

    def result(self) -> dict[str, Any]:
        """Return the counts of the measured span, and the latencies of the fixes sent in it."""
        return self._result | {
            "acknowledgement_latency": percentiles(self.acknowledgement_latencies),
            "delivery_latency": percentiles(self.delivery_latencies),
        }

    def _measure_lag(self, due: float) -> None:
        now = time.perf_counter()
        self._lags.append(now - due)
        self._lag_timer = asyncio.get_running_loop().call_later(
            LAG_INTERVAL, self._measure_lag, now + LAG_INTERVAL
        )
