"""The workloads: scenarios, servers, repetitions and durations."""

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A table of the report. `scenario` has the arguments of `load.scenario.Scenario`.

    `servers` maps a server's name to its repetitions in the full benchmark. `quick` names the
    servers of the quick benchmark, which runs once with the changes of `quick_scenario`.
    """

    name: str
    title: str
    scenario: dict[str, Any]
    servers: dict[str, int]
    quick: tuple[str, ...] = ()
    quick_scenario: dict[str, Any] = field(default_factory=lambda: {"seconds": 3.0})


_CLOSED: Final = {
    "drivers": 2_000,
    "watchers": 2_000,
    "seconds": 5.0,
    "warm_up": 2.0,
    "drain": 60.0,
}
# A round of the slowest server takes a quarter of the time.
_QUICK_CLOSED: Final = {"drivers": 500, "watchers": 500, "seconds": 3.0}
_FAN_OUT: Final = {"watchers": 2_000, "seconds": 3.0, "warm_up": 1.0, "drain": 30.0}
_FAN_OUT_SERVERS: Final = {"ours": 3, "node": 3, "nchan": 2, "tutorial-uvicorn": 1}
_CONNECT: Final = {
    "drivers": 2_000,
    "watchers": 5_000,
    "seconds": 0.0,
    "warm_up": 0.0,
    "drain": 0.0,
}
# 10,000 deliveries a second, so that only the stalled watchers fall behind, and 100 updates a
# second each, so that a stalled watcher's buffers (373 frames) fill during the warm-up.
_PACED: Final = {
    "drivers": 10,
    "watchers": 100,
    "rate": 1_000.0,
    "seconds": 5.0,
    "warm_up": 5.0,
    "drain": 5.0,
}

WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload(
            name="closed",
            title="Durable updates: 2,000 drivers, one watcher each, the next fix on each ack",
            scenario=_CLOSED,
            servers={
                "ours": 3,
                "ours-history": 3,
                "ours-2": 2,
                "node": 3,
                "tutorial-uvicorn": 1,
                "tutorial-daphne": 1,
            },
            quick=("ours", "ours-history", "node", "tutorial-uvicorn"),
            quick_scenario=_QUICK_CLOSED,
        ),
        Workload(
            name="open",
            title="Latency at 2,000 updates/s: 2,000 drivers, one watcher each",
            scenario={**_CLOSED, "rate": 2_000.0, "drain": 3.0},
            servers={"ours": 3, "ours-history": 3, "ours-2": 2, "node": 1, "tutorial-uvicorn": 1},
            quick=("ours", "ours-history"),
        ),
        Workload(
            name="fan-out-10x200",
            title="Fan-out: 10 drivers, 200 watchers each",
            scenario={**_FAN_OUT, "drivers": 10},
            servers=_FAN_OUT_SERVERS,
            quick=("ours", "node"),
        ),
        Workload(
            name="fan-out-1x2000",
            title="Fan-out: 1 driver, 2,000 watchers",
            scenario={**_FAN_OUT, "drivers": 1},
            servers=_FAN_OUT_SERVERS,
        ),
        Workload(
            name="storm",
            title="Connect storm: 5,000 watchers at once, until all have their snapshot",
            scenario={**_CONNECT, "storm": True},
            servers={"ours": 2, "node": 2, "tutorial-uvicorn": 1},
            quick=("ours",),
            quick_scenario={},
        ),
        Workload(
            name="idle",
            title="Memory: 5,000 idle, authenticated watchers",
            scenario={**_CONNECT, "idle": True},
            servers={"ours": 2, "node": 1, "tutorial-uvicorn": 1},
            quick=("ours",),
            quick_scenario={},
        ),
        Workload(
            name="all-reading",
            title="100 watchers, 10,000 deliveries/s, all of them reading",
            scenario=_PACED,
            servers={"ours": 3},
        ),
        Workload(
            name="stalled",
            title="The same with one watcher in ten not reading",
            scenario={**_PACED, "stalled": 10},
            servers={"ours": 3},
        ),
        Workload(
            name="embedded",
            title="Embedded default (Daphne, SQLite, in-memory layer): 2,000 drivers",
            scenario=_CLOSED,
            servers={"ours-embedded": 2, "tutorial-embedded": 1},
            quick=("ours-embedded", "tutorial-embedded"),
            quick_scenario=_QUICK_CLOSED,
        ),
    )
}
