"""Write docs/benchmarks.md and docs/benchmarks.svg from the saved results.

`python -m benchmarks.report` does so without measuring again. The part about the history is written
by `python -m benchmarks.history`, and stays as it is.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from benchmarks.database import ROOT
from benchmarks.plot import svg
from benchmarks.results import (
    Metric,
    Results,
    connect_seconds,
    cpu_per_delivery,
    cpu_per_update,
    deliveries,
    kibibytes_per_watcher,
    latency,
    updates,
)
from benchmarks.servers import SERVERS
from benchmarks.targets import targets
from benchmarks.workloads import WORKLOADS

DOCS: Final = ROOT / "docs"
PAGE: Final = DOCS / "benchmarks.md"
# Written by hand, from profiles.
NOTES: Final = ROOT / "benchmarks" / "notes.md"

INTRODUCTION: Final = """\
# Benchmarks

This project and its peers on the same work, in turn on the same machine, with everything on it:
the server, PostgreSQL with fsync on, Redis and the load generator. `make bench` measures and
writes this page (10 minutes); `make bench QUICK=1` does less of it (2 minutes).

![Durable updates and fan-out, side by side](benchmarks.svg)
"""

METHOD: Final = """\
## What is measured, and how

- **The work.** Each driver's message carries a JWT, which the server verifies. It stores the last
  location in PostgreSQL, publishes through Redis, acknowledges after the commit and delivers to
  the driver's watchers. All servers speak the protocol of [protocol.md](protocol.md), so the same
  generator drives them all.
- **The peers** are in [benchmarks/peers](../benchmarks/peers). Channels as its tutorial teaches:
  `AsyncJsonWebsocketConsumer`, a user look-up and `update_or_create` through
  `database_sync_to_async`, a `group_send` and a group per driver. In its favour it has a psycopg
  pool, and `channels_redis.pubsub`, leaner than the `channels_redis.core` of the tutorial.
  Node.js: `ws`, `jsonwebtoken`, a named upsert through a `pg` pool, `ioredis` with
  auto-pipelining, a subscription per driver; it looks no user up. nginx with nchan carries frames
  and neither checks nor stores: the ceiling for fan-out. Each runs as one process, unless it says
  otherwise.
- **History.** The peers keep the last known location of a driver, so this project's history is off,
  but for "every fix kept": there each fix is in the history as well before it is acknowledged.
- **Checks.** Every acknowledgement echoes the oldest open fix of its driver. Every delivery is a
  fix that was sent, newer than the one before it on that watcher. After a closed loop every
  acknowledgement has come, every watcher holds the newest fix, and the database holds each
  driver's newest acknowledged one. A history holds every acknowledged fix, each once. One mismatch
  and the run is void, and says so here.
- **Closed loop**: the span begins once every driver has had its first acknowledgement. A server
  that needs longer than 2 s for that works in waves, so whole rounds are measured, from the first
  send to the last delivery. Updates are counted when acknowledged, deliveries when made: where
  there are fewer, latest-wins conflation left out locations that were out of date.
- **Latencies** count from the scheduled time of sending, whether or not the server was ready for
  it (no coordinated omission). The schedule is kept to 1 ms, which the figures include.
- **Fan-out**: each driver sends its next fix on the acknowledgement; counted are the deliveries
  made. With latest-wins conflation a watcher may skip fixes, so deliveries, not fixes times
  watchers, are the measure for all.
- **CPU** is user and system time of the server's processes, without PostgreSQL and Redis. It
  survives a noisy machine better than the throughput does.
- **Repetitions** are interleaved (A B C A B C) and each has a fresh server. Figures are medians,
  with the lowest and highest behind them. † marks a figure at which the load generator had used
  up its core or its schedule: the server may be faster.
"""

HISTORY_BEGINS: Final = "<!-- measured by make bench-history -->"
HISTORY_ENDS: Final = "<!-- end of what make bench-history measured -->"
HISTORY: Final = """\
## History

`make bench-history` fills the history of 1,000 drivers with whole days, in the order of time: a fix
every 5 s for 8 hours, with the noise of a phone's GPS. It measures reading and keeping them. Each
figure is the median, with the lowest and highest behind it. What is read was read once before, and
HTTP is without the network. A batch of fixes is one of a worker at 2,000 updates/s: ten fixes every
5 ms, each stored as the last known location too.
"""

Column = tuple[str, Metric, str]

RATE: Final[list[Column]] = [
    ("updates/s", updates, ",.0f"),
    ("deliveries/s", deliveries, ",.0f"),
    ("CPU s per 1,000 updates", cpu_per_update, ".3f"),
]
FAN_OUT: Final[list[Column]] = [
    ("deliveries/s", deliveries, ",.0f"),
    ("updates/s", updates, ",.0f"),
    ("CPU s per 1,000 deliveries", cpu_per_delivery, ".4f"),
]
LATENCY: Final[list[Column]] = [
    (f"{of} {mark} ms", latency(of, mark), ".1f")
    for of in ("delivery", "acknowledgement")
    for mark in ("p50", "p99", "p99.9")
]
COLUMNS: Final[dict[str, list[Column]]] = {
    "closed": RATE,
    "open": [*LATENCY, ("CPU s per 1,000 updates", cpu_per_update, ".3f")],
    "fan-out-10x200": FAN_OUT,
    "fan-out-1x2000": FAN_OUT,
    "storm": [("seconds", connect_seconds, ".2f")],
    "idle": [("KiB per watcher", kibibytes_per_watcher, ".1f")],
    "all-reading": LATENCY[:3],
    "stalled": LATENCY[:3],
    "embedded": RATE,
}
# The figures for which more is better, and those for which less is.
RATIO_OF_FIRST: Final = {"closed", "fan-out-10x200", "fan-out-1x2000", "embedded"}
RATIO_TO_FIRST: Final = {"storm", "idle"}


def markdown(results: Results) -> str:
    """Return the whole page."""
    sections = [
        INTRODUCTION,
        _targets(results),
        *(_workload(results, name) for name in WORKLOADS if results.servers(name)),
        kept_history(),
        NOTES.read_text() if NOTES.exists() else "",
        METHOD,
        _surroundings(results),
    ]
    return "\n".join(filter(None, sections))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _targets(results: Results) -> str:
    words = {True: "met", False: "**missed**", None: "not measured"}
    rows = [
        [target.title, target.wanted, target.measured, words[target.met]]
        for target in targets(results)
    ]
    return "## Targets\n\n" + _table(["figure", "wanted", "measured", ""], rows)


def _workload(results: Results, workload: str) -> str:
    columns = COLUMNS[workload]
    with_ratio = workload in RATIO_OF_FIRST | RATIO_TO_FIRST
    head = ["server", *(name for name, _, _ in columns), *(["ratio"] if with_ratio else [])]
    rows = list(_rows(results, workload, columns, with_ratio=with_ratio))
    title = f"## {WORKLOADS[workload].title}\n\n"
    return title + _table(head, rows)


def _rows(
    results: Results, workload: str, columns: list[Column], *, with_ratio: bool
) -> Iterator[list[str]]:
    servers = results.servers(workload)
    metric = columns[0][1]
    own = results.median(workload, servers[0], metric)
    for server in servers:
        title = SERVERS[server].title
        width = len(columns) + with_ratio
        if reason := results.trouble(workload, server):
            yield [title, reason.replace("|", "/"), *[""] * (width - 1)]
            continue
        if results.fell_behind(workload, server):
            rate = results.median(workload, server, updates) or 0
            yield [title, f"fell behind: {rate:,.0f} updates/s", *[""] * (width - 1)]
            continue
        cells = [_cell(results, workload, server, column) for column in columns]
        if with_ratio:
            cells.append(_ratio(own, results.median(workload, server, metric), workload))
        yield [title, *cells]


def _cell(results: Results, workload: str, server: str, column: Column) -> str:
    _, metric, style = column
    spread = results.spread(workload, server, metric)
    if spread is None:
        return ""
    text = format(spread.median, style)
    if spread.high > spread.low:
        text += f" ({format(spread.low, style)}–{format(spread.high, style)})"
    return text + (" †" if results.generator_limited(workload, server) else "")


def _ratio(own: float | None, other: float | None, workload: str) -> str:
    """Return this project's figure relative to the other's. Above 1, this project is better."""
    if not own or not other:
        return ""
    ratio = own / other if workload in RATIO_OF_FIRST else other / own
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.0f} ×"


def _surroundings(results: Results) -> str:
    machine = "\n".join(f"- {name}: {text}" for name, text in results.machine.items())
    versions = ", ".join(f"{name} {text}" for name, text in results.versions.items())
    commands = _table(
        ["server", "command"],
        [
            [server.title, f"`{server.command_line()}`"]
            for server in SERVERS.values()
            if any(record["server"] == server.name for record in results.records)
        ],
    )
    kind = (
        "the quick run: one short repetition of each, closed loops with 500 drivers"
        if results.quick
        else "the full run"
    )
    return (
        f"## Machine, versions, commands\n\n{machine}\n\n{versions}.\n\n"
        f"Taken on {results.taken} by `{results.command}` ({kind}).\n\n{commands}"
    )


def kept_history() -> str:
    """Return the part of the page about the history, as it is; empty if there is none."""
    _, begin, rest = PAGE.read_text().partition(HISTORY_BEGINS)
    part, end, _ = rest.partition(HISTORY_ENDS)
    return f"{begin}{part}{end}\n" if end else ""


def write_history(table: str, surroundings: str) -> None:
    """Replace the part of the page about the history."""
    before, _, rest = PAGE.read_text().partition(HISTORY_BEGINS)
    _, _, after = rest.partition(HISTORY_ENDS)
    if not rest:
        before, separator, after = before.partition("## Where the time goes")
        after = "\n\n" + separator + after
    part = f"{HISTORY_BEGINS}\n{HISTORY}\n{table}\n{surroundings}\n{HISTORY_ENDS}"
    PAGE.write_text(before + part + after)


def write(results: Results) -> None:
    """Write the page and the plot into docs/."""
    PAGE.write_text(markdown(results))
    (DOCS / "benchmarks.svg").write_text(svg(results))


if __name__ == "__main__":
    write(Results.load())
