"""Finding a program that a service needs: on the system, or inside an installed Python wheel."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .process import ServiceError

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Program:
    """An executable file, its origin in a word or two, and the variables that it needs."""

    path: Path
    origin: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def version(self) -> str:
        """Return its version in one line; empty if it does not run."""
        try:
            answer = subprocess.run(
                [self.path, "--version"],
                env={**os.environ, **self.environment},
                capture_output=True,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return answer.stdout.decode().strip() if answer.returncode == 0 else ""


# A place to search; returns None if the program is not there.
Source = Callable[[], Program | None]


def find(sources: Iterable[Source], otherwise: str) -> Program:
    """Return the first program found. Raises `ServiceError(otherwise)` if there is none."""
    for source in sources:
        if program := source():
            return program
    raise ServiceError(otherwise)


def on_path(*names: str) -> Program | None:
    """Return the first of `names` on PATH that runs (a distribution's stub may not run)."""
    for name in names:
        if path := shutil.which(name):
            program = Program(Path(path), "system")
            if program.version():
                return program
    return None


def in_wheel(distribution: str, file: str) -> Program | None:
    """Return `file` inside the package of an installed wheel, without importing it."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(distribution.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / file
    return Program(path, f"{distribution} wheel") if path.exists() else None


def locked(distribution: str) -> str:
    """Return its entry in requirements-services.lock: the version, and the checksums of files."""
    lock = (PROJECT / "requirements-services.lock").read_text()
    entry = re.search(rf"^{re.escape(distribution)}==(.+\\\n)+.+\n", lock, re.MULTILINE)
    assert entry is not None, f"{distribution} is not in requirements-services.lock"
    return entry[0]


def install_wheel(distribution: str) -> None:
    """Install the version in requirements-services.lock, from a file with one of its hashes."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Only the program in it is used, no module, so its dependencies are not needed.
    options = ["--require-hashes", "--no-deps", "--requirement", "/dev/stdin"]
    subprocess.run([*pip, *options], input=locked(distribution), text=True, check=True)
