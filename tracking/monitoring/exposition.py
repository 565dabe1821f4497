"""The metrics of this process in Prometheus' text format."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

from tracking import metrics
from tracking.metrics.instruments import gauge
from tracking.runtime import Runtime


async def exposition(runtime: Runtime) -> bytes:
    """Return all metrics in Prometheus' text format.

    Drivers are counted in the database: while it is unavailable, those lines are missing.
    """
    try:
        drivers = await runtime.health.drivers.ask()
    except Exception:  # the health check reports what is wrong with the database
        drivers = {}
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ProcessMetrics(runtime, drivers))
    for collector in (ProcessCollector, GCCollector, PlatformCollector):
        collector(registry=registry)
    return generate_latest(registry)


class _ProcessMetrics(Collector):
    def __init__(self, runtime: Runtime, drivers: Mapping[str, int]) -> None:
        self._runtime = runtime
        self._drivers = drivers

    def collect(self) -> Iterator[Metric]:
        for instrument in metrics.INSTRUMENTS:
            yield instrument.collect()
        runtime = self._runtime
        failing = metrics.degraded.parts()
        yield gauge(
            "tracking_connections",
            "Open connections, by route.",
            Counter(connection.record.route for connection in runtime.connections).items(),
            "route",
        )
        yield gauge(
            "tracking_queue_depth",
            "What waits: fixes to be stored or broadcast, frames to be sent.",
            runtime.queues().items(),
            "queue",
        )
        yield gauge(
            "tracking_drivers",
            "Drivers with a location, by status, in the whole database.",
            self._drivers.items(),
            "status",
        )
        yield gauge(
            "tracking_degraded",
            "1 where a part fails and others stand in for it.",
            ((part, part in failing) for part in metrics.degraded.PARTS),
            "part",
        )
        yield gauge(
            "tracking_event_loop_lag_seconds",
            "The most that the event loop was late in the last 15 s.",
            [("", runtime.lag.worst())],
        )
        yield gauge(
            "tracking_draining",
            "1 while this process sends its clients elsewhere.",
            [("", runtime.draining)],
        )
