"""The project's performance targets, and whether the results meet them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.results import (
    Metric,
    Results,
    connect_seconds,
    cpu_per_update,
    deliveries,
    kibibytes_per_watcher,
    latency,
    updates,
)

TUTORIALS = ("tutorial-uvicorn", "tutorial-daphne")


@dataclass(frozen=True)
class Target:
    """A target and the measured figure, which is None if something was not measured."""

    title: str
    wanted: str
    measured: str
    met: bool | None


def targets(results: Results) -> Iterator[Target]:
    """Yield each target with the figure of these results."""
    yield _at_least(
        40,
        "Durable updates, times the Channels tutorial's better server",
        _ratio(results, "closed", updates, "ours", TUTORIALS),
    )
    yield _at_least(
        6, "Durable updates, times Node.js", _ratio(results, "closed", updates, "ours", ("node",))
    )
    yield _at_least(
        0.8,
        "Durable updates with every fix kept, times without",
        _ratio(results, "closed", updates, "ours-history", ("ours",)),
    )
    for of, mark, limit in (
        ("delivery", "p50", 2),
        ("delivery", "p99", 10),
        ("acknowledgement", "p99", 25),
    ):
        measured = results.median("open", "ours", latency(of, mark))
        yield _at_most(limit, "ms", f"{of.capitalize()} {mark} at 2,000 updates/s", measured)
    yield _at_most(
        25,
        "ms",
        "Acknowledgement p99 at 2,000 updates/s with every fix kept",
        results.median("open", "ours-history", latency("acknowledgement", "p99")),
    )
    for workload, shape in (("fan-out-10x200", "10 × 200"), ("fan-out-1x2000", "1 × 2,000")):
        for peer, title, factor in (("node", "Node.js", 1.1), ("nchan", "nginx with nchan", 0.8)):
            ratio = _ratio(results, workload, deliveries, "ours", (peer,))
            yield _at_least(factor, f"Fan-out {shape}, times {title}", ratio)
    yield _at_most(
        24, "KiB", "Memory per idle watcher", results.median("idle", "ours", kibibytes_per_watcher)
    )
    yield _at_most(
        5,
        "s",
        "5,000 watchers at once, until all have their snapshot",
        results.median("storm", "ours", connect_seconds),
    )
    yield _at_most(
        1.15,
        "×",
        "CPU per update of two workers, times that of one, 2,000 updates/s",
        _ratio(results, "open", cpu_per_update, "ours-2", ("ours",)),
    )
    yield _at_most(
        1.15,
        "×",
        "CPU per update of two workers, times that of one, closed loop",
        _ratio(results, "closed", cpu_per_update, "ours-2", ("ours",)),
    )
    yield _stalled(results)
    yield _at_least(
        20,
        "Embedded default, times the Channels tutorial on the same parts",
        _ratio(results, "embedded", updates, "ours-embedded", ("tutorial-embedded",)),
    )


def _ratio(
    results: Results, workload: str, metric: Metric, server: str, others: tuple[str, ...]
) -> float | None:
    """Return the server's figure relative to the greatest of the others."""
    own = results.median(workload, server, metric)
    known = [value for other in others if (value := results.median(workload, other, metric))]
    return own / max(known) if own is not None and known else None


def _at_least(limit: float, title: str, measured: float | None) -> Target:
    return _target(title, f"at least {limit} ×", measured, "×", lambda value: value >= limit)


def _at_most(limit: float, unit: str, title: str, measured: float | None) -> Target:
    return _target(title, f"at most {limit} {unit}", measured, unit, lambda value: value <= limit)


def _target(
    title: str, wanted: str, measured: float | None, unit: str, met: Callable[[float], bool]
) -> Target:
    if measured is None:
        return Target(title, wanted, "not measured", None)
    digits = 2 if measured < 10 else 1
    return Target(title, wanted, f"{measured:.{digits}f} {unit}", met(measured))


def _stalled(results: Results) -> Target:
    """Compare delivery p99 with and without stalled watchers, to the runs' spread or 1 ms."""
    title = "Delivery p99 with one watcher in ten stalled"
    calm = results.spread("all-reading", "ours", latency("delivery", "p99"))
    stalled = results.median("stalled", "ours", latency("delivery", "p99"))
    if calm is None or stalled is None:
        return Target(title, "as without", "not measured", None)
    return Target(
        title,
        f"as without ({calm.median:.1f} ms), to 1 ms",
        f"{stalled:.1f} ms",
        stalled <= calm.high + 1,
    )
