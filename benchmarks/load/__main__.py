"""Run one scenario in a process of its own: JSON on standard input, JSON on standard output."""

import gc
import json
import sys

import uvloop

from benchmarks.load.ledger import MismatchError
from benchmarks.load.scenario import CONNECT_TIMEOUT, Run, Scenario


async def _run(scenario: Scenario) -> dict[str, object]:
    return await Run(scenario)()


def main() -> None:
    """Print the result, or `{"mismatch": ...}` for a void run."""
    # With thousands of connections, a garbage collection stops the loop for milliseconds.
    gc.disable()
    try:
        result = uvloop.run(_run(Scenario(**json.load(sys.stdin))))
    except MismatchError as error:
        result = {"mismatch": str(error)}
    except TimeoutError:
        result = {"mismatch": f"not everybody was connected after {CONNECT_TIMEOUT:.0f} s"}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
