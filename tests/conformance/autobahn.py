"""The Autobahn fuzzing client, run against our WebSocket protocol if there is a Python 2.7."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.services import Process
from tests.services.program import PROJECT

from .sources import DIRECTORY, ConformanceError

REQUIREMENTS = Path(__file__).with_name("autobahn.txt")
PACKAGES = DIRECTORY / "autobahn"
REPORTS = DIRECTORY / "autobahn-reports"
# Accepted results: NON-STRICT is a text that is not UTF-8 refused at its end and not at its
# first wrong byte; INFORMATIONAL are cases without a right and a wrong.
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
MIN_CASES = 301
TIMEOUT = 3600  # seconds for all cases
# Cases that deliberately end differently, with the reason.
MANY_FRAGMENTS = "a message in more than UNSEEN_BURST fragments ends the connection (4429)"
DIFFERENCES: Mapping[str, str] = {
    "7.1.5": "websockets answers a close frame within a fragmented message with 1002",
    **{f"9.3.{number}": MANY_FRAGMENTS for number in range(1, 6)},
    **{f"9.4.{number}": MANY_FRAGMENTS for number in range(1, 6)},
}
# Compression is off: it costs memory, and rules out frames that are shared by many clients.
EXCLUDED = ["12.*", "13.*"]

# The packages are in a folder of their own, whose .pth files count.
WSTEST = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
"""


class EchoServer(Process):
    """The echo application of this module, on a port of its own."""

    def __init__(self) -> None:
        super().__init__("echo", directory=PROJECT)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.conformance.echo", str(self.port)]


def run() -> str:
    """Run all cases, and return the number of each result, or that there is no Python 2.7."""
    python = find_python()
    if python is None:
        return "NOT RUN: there is no Python 2.7, which the fuzzing client needs (PYTHON27=…)"
    install(python)
    shutil.rmtree(REPORTS, ignore_errors=True)
    specification = DIRECTORY / "autobahn.json"
    with EchoServer() as server:
        specification.write_text(
            json.dumps(
                {
                    "outdir": str(REPORTS),
                    "servers": [{"agent": "ours", "url": f"ws://127.0.0.1:{server.port}"}],
                    "cases": ["*"],
                    "exclude-cases": EXCLUDED,
                    "exclude-agent-cases": {},
                }
            )
        )
        options = ["--mode", "fuzzingclient", "--spec", str(specification)]
        done = subprocess.run(
            [python, "-c", WSTEST, PACKAGES, *options],
            cwd=DIRECTORY,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            timeout=TIMEOUT,
        )
    index = REPORTS / "index.json"
    if done.returncode or not index.exists():
        raise ConformanceError(f"the fuzzing client ended with {done.returncode}")
    return judge(json.loads(index.read_text())["ours"])


def judge(results: Mapping[str, Mapping[str, str]]) -> str:
    """Return the number of each result; raise `ConformanceError` if one is unexpected."""
    wrong = []
    counts: Counter[str] = Counter()
    for case, result in results.items():
        behaviours = {result["behavior"], result["behaviorClose"]}
        good = behaviours <= GOOD
        if case in DIFFERENCES:
            counts["different on purpose"] += 1
            print(f"{case} differs on purpose: {DIFFERENCES[case]}")
            if good:
                wrong.append(f"{case} passes, and is named as a difference")
        else:
            counts[result["behavior"]] += 1
            if not good:
                wrong.append(f"{case} {' '.join(sorted(behaviours - GOOD))}")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    if wrong:
        raise ConformanceError(f"{'; '.join(wrong)} (reports in {REPORTS.relative_to(PROJECT)})")
    if len(results) < MIN_CASES:
        raise ConformanceError(f"{summary or 'no case was run'}, and there are {MIN_CASES}")
    return summary


def find_python() -> Path | None:
    """Return a Python 2.7: $PYTHON27, or one on the path or of pyenv that runs."""
    for candidate in _candidates():
        command = [candidate, "-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]
        try:
            done = subprocess.run(command, env=_environment(), capture_output=True)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    return None


def _candidates() -> Iterator[Path]:
    if given := os.environ.get("PYTHON27"):
        yield Path(given)
    if found := shutil.which("python2.7"):
        yield Path(found)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob("versions/2.7*/bin/python"))


def install(python: Path) -> None:
    """Install the client and its dependencies into a folder, unless they are there."""
    installed = PACKAGES / REQUIREMENTS.name
    if installed.exists() and installed.read_text() == REQUIREMENTS.read_text():
        return
    print("Installing the fuzzing client into", PACKAGES.relative_to(PROJECT), flush=True)
    shutil.rmtree(PACKAGES, ignore_errors=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--target", PACKAGES, "--requirement", REQUIREMENTS]
    subprocess.run([*command, *options], env=_environment(), check=True)
    shutil.copyfile(REQUIREMENTS, installed)


def _environment() -> dict[str, str]:
    """Return this process's environment without the variables of its own Python."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYENV_VERSION"))
    }
