"""The metrics of this process in Prometheus' text format."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping
from typing import TypeVar

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
from tracking.events.dispatch import MAX_COUNTED
from tracking.metrics.instruments import gauge
from tracking.runtime import Runtime
from tracking.webhooks.waiting import Waiting

Answer = TypeVar("Answer")


async def exposition(runtime: Runtime) -> bytes:
    """Return all metrics in Prometheus' text format.

    Drivers and alerts are counted in the database, and waiting events are read there: while it is
    unavailable, those lines are missing.
    """
    drivers, waiting, alerts = await asyncio.gather(
        _or_nothing(runtime.health.drivers.ask()),
        _or_nothing(runtime.health.events.ask()),
        _or_nothing(runtime.health.alerts.ask()),
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ProcessMetrics(runtime, drivers, waiting, alerts))
    for collector in (ProcessCollector, GCCollector, PlatformCollector):
        collector(registry=registry)
    return generate_latest(registry)


async def _or_nothing(answer: Awaitable[Mapping[str, Answer]]) -> Mapping[str, Answer]:
    try:
        return await answer
    except Exception:  # the health check reports what is wrong with the database
        return {}


class _ProcessMetrics(Collector):
    def __init__(
        self,
        runtime: Runtime,
        drivers: Mapping[str, int],
        waiting: Mapping[str, Waiting],
        alerts: Mapping[str, int],
    ) -> None:
        self._runtime = runtime
        self._drivers = drivers
        self._waiting = waiting
        self._alerts = alerts

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
            "tracking_events_waiting_seconds",
            "How long the oldest event waits to be dispatched, and the oldest delivery to be sent "
            "to an endpoint that works, in the whole database.",
            ((queue, waiting.seconds) for queue, waiting in self._waiting.items()),
            "queue",
        )
        yield gauge(
            "tracking_events_waiting",
            "Events that wait to be dispatched, and deliveries that wait to be sent to an endpoint "
            f"that works, in the whole database, up to {MAX_COUNTED}.",
            ((queue, waiting.count) for queue, waiting in self._waiting.items()),
            "queue",
        )
        yield gauge(
            "tracking_alerts_open",
            "Drivers' alerts that have not ended, by kind, in the whole database.",
            self._alerts.items(),
            "kind",
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
