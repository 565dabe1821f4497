"""Source distributions of pinned packages, with their tests, and an environment to run them."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.services.program import PROJECT

DIRECTORY = PROJECT / ".make" / "conformance"
LOCK = Path(__file__).with_name("requirements.lock")


class ConformanceError(Exception):
    """Raised if a test fails unexpectedly or no test was run; the message says which."""


def version(package: str) -> str:
    """Return the version that requirements.txt pins."""
    text = (PROJECT / "requirements.txt").read_text()
    match = re.search(rf"^{re.escape(package)}==([\w.]+)", text, re.MULTILINE)
    if match is None:
        raise ConformanceError(f"requirements.txt does not pin {package}")
    return match[1]


def unpack(package: str) -> Path:
    """Return a fresh copy of the package's source distribution, downloaded if it is not here.

    Its hash must be one of those in the lock file.
    """
    name = f"{package.replace('-', '_')}-{version(package)}"
    archive = DIRECTORY / f"{name}.tar.gz"
    if not archive.exists():
        _download(package)
    if not archive.exists():
        raise ConformanceError(f"{package}: the download brought no {archive.name}")
    shutil.rmtree(DIRECTORY / name, ignore_errors=True)
    with tarfile.open(archive) as members:
        members.extractall(DIRECTORY, filter="data")
    return DIRECTORY / name


def _download(package: str) -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    entry = re.search(
        rf"^{re.escape(package)}==.+\\\n(?:    --hash=.+\n)+", LOCK.read_text(), re.MULTILINE
    )
    if entry is None:
        raise ConformanceError(f"{LOCK.name} has no hashes of {package}")
    requirement = DIRECTORY / f"{package}.txt"
    requirement.write_text(entry[0])
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-binary", package, "--require-hashes", "--dest", DIRECTORY]
    subprocess.run([*command, *options, "--requirement", requirement], check=True)


def python() -> Path:
    """Return the interpreter of the environment for the tests, made if the lock file is newer."""
    environment = DIRECTORY / "venv"
    interpreter = environment / "bin" / "python"
    installed = environment / "requirements.lock"
    if not installed.exists() or installed.read_text() != LOCK.read_text():
        print("Installing what the tests need into", environment.relative_to(PROJECT), flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        command = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--require-hashes", "--requirement", LOCK], check=True)
        shutil.copyfile(LOCK, installed)
    return interpreter


def run_pytest(
    directory: Path,
    arguments: Sequence[str],
    minimum: int,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run tests in the directory of a source distribution; return how many passed.

    Raise `ConformanceError` if any fails, is skipped, or passes although it is marked as a
    difference, and if fewer than `minimum` pass.
    """
    report = directory / "report.xml"
    report.unlink(missing_ok=True)
    # The directory comes first on the path, so that `tests` are its own.
    command = [python(), "-m", "pytest", "-o", "addopts=", "-q", "--tb=short", "-rfExXs"]
    done = subprocess.run(
        [*command, "-o", "xfail_strict=true", f"--junitxml={report}", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **(environment or {})},
    )
    if not report.exists():
        raise ConformanceError(f"pytest ended with {done.returncode} before it ran a test")
    counts = _outcomes(report)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    if done.returncode or counts["failed"] or counts["skipped"]:
        raise ConformanceError(summary or "no test was run")
    if counts["passed"] < minimum:
        raise ConformanceError(f"{summary or 'no test was run'}, and there are {minimum} at least")
    return summary


def _outcomes(report: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif skipped is None:
            counts["passed"] += 1
        elif skipped.get("type") == "pytest.xfail":
            counts["different on purpose"] += 1
        else:
            counts["skipped"] += 1
    return counts
