"""Runs every part, prints the result of each, and fails if one failed."""

import subprocess
import sys
from collections.abc import Callable

from tests.services import ServiceError

from . import autobahn, channels_redis, uvicorn
from .sources import ConformanceError

# Each returns what it ran, in one line, and raises `ConformanceError` if that is not as expected.
PARTS: dict[str, Callable[[], str]] = {
    "uvicorn": uvicorn.run,
    "channels_redis": channels_redis.run,
    "Autobahn": autobahn.run,
}


def main() -> int:
    outcomes = {}
    failed = False
    for name, run in PARTS.items():
        print(f"== {name}", flush=True)
        try:
            outcomes[name] = run()
        except (ConformanceError, ServiceError, subprocess.SubprocessError) as error:
            # A failed download or service, too, must not hide the results of other parts.
            outcomes[name] = f"FAILED: {error}"
            failed = True
    print()
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
