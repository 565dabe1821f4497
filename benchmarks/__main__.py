"""`python -m benchmarks`: measure this project and its peers, and write docs/benchmarks.md."""

import argparse
import signal
import sys
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks import machine, report
from benchmarks.results import Results
from benchmarks.runner import Run, bench, plan
from benchmarks.servers import SERVERS
from benchmarks.workloads import WORKLOADS

# Repetitions, but not first runs, are left out if they would not end within the ten minutes.
LAST_START = 545.0


def main() -> int:
    """Run the benchmarks; return the exit status, 0 if no run found a mismatch."""
    options = _options()
    runs = plan(
        options.only or list(WORKLOADS),
        options.peers or [],
        quick=options.quick,
        repetitions=options.repetitions,
    )
    # Leave through the `with` blocks, which stop all processes.
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, lambda *_: sys.exit("interrupted"))
    began = time.monotonic()
    records: list[dict[str, Any]] = []
    with bench() as measured:
        for number, run in enumerate(runs, 1):
            if run.repetition > 1 and time.monotonic() - began > LAST_START:
                print(f"[{number}/{len(runs)}] and later repetitions: left out, the time is up")
                break
            label = f"{run.workload.name} · {run.server.name}"
            print(f"[{number:2}/{len(runs)}] {label:38} ", end="", flush=True)
            scenario = run.workload.scenario | (
                run.workload.quick_scenario if options.quick else {}
            )
            if options.seconds and scenario["seconds"]:
                scenario |= {"seconds": options.seconds}
            result = measured.measure(run, scenario)
            records.append(_record(run, result))
            print(f"{summary(result)}  ({time.monotonic() - began:.0f} s)", flush=True)
            if options.verbose:
                print(result)
    results = Results(
        taken=f"{datetime.now(UTC):%Y-%m-%d}",
        command="make bench" + (" QUICK=1" if options.quick else ""),
        quick=options.quick,
        machine=machine.describe(),
        versions=machine.versions(),
        records=records,
    )
    if not (options.only or options.peers):
        results.save()
        report.write(results)
        print("Written: docs/benchmarks.md, docs/benchmarks.svg")
    return 1 if any("mismatch" in record["result"] for record in records) else 0


def summary(result: dict[str, Any]) -> str:
    """Return a run's figures in one line."""
    if reason := result.get("missing"):
        return str(reason)
    if mismatch := result.get("mismatch"):
        return f"VOID: {mismatch}\n{result.get('server_log', '')}"
    parts = []
    if "updates_per_second" in result:
        updates = result["updates_per_second"]
        parts.append(
            f"{updates:,.0f} updates/s, {result['deliveries_per_second']:,.0f} deliveries/s"
        )
        if result["acknowledgements"]:
            cpu = 1000 * result["server_cpu_seconds"] / result["acknowledgements"]
            parts.append(f"{cpu:.3f} CPU s per 1,000")
        for name in ("acknowledgement", "delivery"):
            if latency := result[f"{name}_latency"]:
                figures = " / ".join(f"{latency[mark]:.1f}" for mark in ("p50", "p99", "p99.9"))
                parts.append(f"{name} {figures} ms")
        parts.append(f"generator {100 * result['generator_cpu_share']:.0f} %")
        if not result["drained"]:
            parts.append("fell behind")
    elif "bytes_per_watcher" in result:
        parts.append(f"{result['bytes_per_watcher'] / 1024:.1f} KiB per watcher")
    else:
        parts.append(f"{result['connect_seconds']:.2f} s")
    return ", ".join(parts)


def _record(run: Run, result: dict[str, Any]) -> dict[str, Any]:
    return {
        "workload": run.workload.name,
        "server": run.server.name,
        "repetition": run.repetition,
        "result": result,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run each, within 2 minutes")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, help="these workloads")
    parser.add_argument("--peers", nargs="+", choices=SERVERS, help="these servers")
    parser.add_argument("--seconds", type=float, help="length of each measured span")
    parser.add_argument("--repetitions", type=int, help="runs of each")
    parser.add_argument("--verbose", action="store_true", help="print each result whole")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
