"""Counters and histograms with cheap updates.

Only the event loop's thread writes them, so they need no lock, and they are converted to
prometheus_client's families on request. An increment takes 90 ns and an observation 120 ns, while
that library's own take 340 and 670, and an update of 94 µs has half a dozen of them.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.utils import floatToGoString


class Instrument(Protocol):
    """An object that can be collected as a metric."""

    def collect(self) -> Metric: ...


class Counter:
    """A number that only grows. `name` lacks the suffix `_total` that Prometheus shows."""

    __slots__ = ("_help", "_name", "value")

    def __init__(self, name: str, help: str) -> None:  # noqa: A002 - prometheus_client's word
        self._name, self._help = name, help
        self.value = 0

    def add(self, count: int = 1) -> None:
        self.value += count

    def collect(self) -> Metric:
        return CounterMetricFamily(self._name, self._help, value=self.value)


class LabelledCounter:
    """One counter for each combination of label values, of which there must be few."""

    __slots__ = ("_help", "_labels", "_name", "values")

    def __init__(self, name: str, help: str, *labels: str) -> None:  # noqa: A002
        self._name, self._help, self._labels = name, help, labels
        self.values: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str, count: int = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + count

    def collect(self) -> Metric:
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, value in self.values.items():
            family.add_metric(labels, value)
        return family


class Histogram:
    """Cumulative counts of observations up to each of `bounds`."""

    __slots__ = ("_bounds", "_counts", "_help", "_labels", "_name", "_sum")

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        bounds: Sequence[float],
        **labels: str,
    ) -> None:
        self._name, self._help, self._labels = name, help, labels
        self._bounds: Final = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Count `value` `count` times."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def collect(self) -> Metric:
        family = HistogramMetricFamily(self._name, self._help, labels=tuple(self._labels))
        family.add_metric(tuple(self._labels.values()), list(self._buckets()), self._sum)
        return family

    def _buckets(self) -> Iterator[tuple[str, float]]:
        total = 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            yield floatToGoString(bound), total  # type: ignore[no-untyped-call]


def gauge(
    name: str,
    help: str,  # noqa: A002
    values: Iterable[tuple[str, float]],
    label: str = "",
) -> Metric:
    """Return a metric that is measured on demand, with one value for each label value."""
    family = GaugeMetricFamily(name, help, labels=[label] if label else [])
    for labelled, value in values:
        family.add_metric([labelled] if label else [], value)
    return family
