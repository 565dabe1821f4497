"""The benchmarks themselves: a short run against this project's own server."""

import subprocess
import sys

import pytest

from tests.services.program import PROJECT


@pytest.mark.long
@pytest.mark.parametrize("server", ["ours", "ours-history"])
def test_a_run_counts_what_the_server_stored_and_delivered(server):
    # A run of part of the benchmark writes no report.
    options = ["--only", "closed", "--peers", server, "--quick", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options, "--repetitions", "1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "updates/s" in done.stdout
    assert "VOID" not in done.stdout
