"""The results of one benchmark: save, load, and summarize them over the repetitions."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.database import ROOT
from benchmarks.load.meter import CPU_LIMIT, LAG_LIMIT

FILE: Final = ROOT / "benchmarks" / "results" / "latest.json"

Metric = Callable[[dict[str, Any]], float | None]


@dataclass(frozen=True)
class Spread:
    """The median, lowest and highest value of a figure over the repetitions."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Results:
    """The results of `python -m benchmarks`."""

    taken: str
    command: str
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    records: list[dict[str, Any]]

    def save(self, file: Path = FILE) -> None:
        """Save everything, so that the report can be written again."""
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(vars(self), indent=1) + "\n")

    @classmethod
    def load(cls, file: Path = FILE) -> "Results":
        """Load the results that `save` wrote."""
        return cls(**json.loads(file.read_text()))

    def servers(self, workload: str) -> list[str]:
        """Return the names of the servers that ran this workload, in order."""
        names = (record["server"] for record in self.records if record["workload"] == workload)
        return list(dict.fromkeys(names))

    def runs(self, workload: str, server: str) -> list[dict[str, Any]]:
        """Return the results of one server, one for each repetition."""
        return [
            record["result"]
            for record in self.records
            if (record["workload"], record["server"]) == (workload, server)
        ]

    def trouble(self, workload: str, server: str) -> str:
        """Return why there are no valid figures: not installed, or a mismatch. Otherwise ""."""
        for run in self.runs(workload, server):
            if "missing" in run:
                return str(run["missing"])
            if "mismatch" in run:
                return f"void: {run['mismatch']}"
        return ""

    def fell_behind(self, workload: str, server: str) -> bool:
        """Tell whether answers of an open loop were still missing at the end of the drain."""
        return not all(run.get("drained", True) for run in self.runs(workload, server))

    def generator_limited(self, workload: str, server: str) -> bool:
        """Tell whether the load generator may have been slower than the server."""
        paced = (
            self.runs(workload, server) if workload in ("open", "stalled", "all-reading") else []
        )
        return any(
            max(run.get("generator_cpu_share", 0), run.get("connect_generator_cpu_share", 0))
            >= CPU_LIMIT
            for run in self.runs(workload, server)
        ) or any(
            run["generator_lag"]["p99"] >= 1000 * LAG_LIMIT
            for run in paced
            if run.get("generator_lag")
        )

    def spread(self, workload: str, server: str, metric: Metric) -> Spread | None:
        """Return the metric over the repetitions, or None if any run is void or lacks it."""
        if self.trouble(workload, server):
            return None
        values = [metric(run) for run in self.runs(workload, server)]
        numbers = [value for value in values if value is not None]
        if not numbers or len(numbers) < len(values):
            return None
        return Spread(median(numbers), min(numbers), max(numbers))

    def median(self, workload: str, server: str, metric: Metric) -> float | None:
        """Return the median of the metric, or None as `spread` does."""
        spread = self.spread(workload, server, metric)
        return spread.median if spread else None


def updates(result: dict[str, Any]) -> float | None:
    """Return the updates acknowledged per second."""
    return result.get("updates_per_second")


def deliveries(result: dict[str, Any]) -> float | None:
    """Return the deliveries per second."""
    return result.get("deliveries_per_second")


def cpu_per_update(result: dict[str, Any]) -> float | None:
    """Return the CPU seconds of the server's processes per 1,000 acknowledged updates."""
    count = result.get("acknowledgements")
    return 1000 * result["server_cpu_seconds"] / count if count else None


def cpu_per_delivery(result: dict[str, Any]) -> float | None:
    """Return the CPU seconds of the server's processes per 1,000 deliveries."""
    count = result.get("deliveries")
    return 1000 * result["server_cpu_seconds"] / count if count else None


def latency(of: str, mark: str) -> Metric:
    """Return the metric of a percentile, in ms, of `acknowledgement` or `delivery`."""

    def metric(result: dict[str, Any]) -> float | None:
        percentiles = result.get(f"{of}_latency")
        return percentiles[mark] if percentiles else None

    return metric


def connect_seconds(result: dict[str, Any]) -> float | None:
    """Return the seconds until every watcher has its snapshot."""
    return result.get("connect_seconds")


def kibibytes_per_watcher(result: dict[str, Any]) -> float | None:
    """Return the growth in memory of the server's processes, in KiB per watcher."""
    size = result.get("bytes_per_watcher")
    return size / 1024 if size is not None else None
