"""The machine of a benchmark, and the versions of its programs and libraries."""

import json
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.servers import NODE, which
from tests.services import find_postgres, find_redis

_PYTHON_PACKAGES: Final = (
    "django",
    "channels",
    "channels-redis",
    "daphne",
    "uvicorn",
    "uvloop",
    "psycopg",
    "djangorestframework-simplejwt",
    "picows",
)
_NODE_PACKAGES: Final = ("ws", "jsonwebtoken", "pg", "ioredis")


def describe() -> dict[str, str]:
    """Return short texts that describe the machine, by name."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "Memory": f"{memory:.0f} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Return name and version of every program and library in use that is installed."""
    found = {
        "Python": platform.python_version(),
        "PostgreSQL": find_postgres().version(),
        "Redis": find_redis().version(),
        "Node.js": _first_line(which("node"), "--version"),
        "nginx": _first_line(which("nginx"), "-v"),
        "nchan": _first_line(which("dpkg-query"), "-Wf", "${Version}", "libnginx-mod-nchan"),
    }
    found |= {name: version(name) for name in _PYTHON_PACKAGES}
    for name in _NODE_PACKAGES:
        package = NODE / "node_modules" / name / "package.json"
        if package.exists():
            found[f"{name} (npm)"] = json.loads(package.read_text())["version"]
    numbers = {name: re.search(r"\d+(\.\d+)+", text) for name, text in found.items()}
    return {name: number[0] for name, number in numbers.items() if number}


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(program: str, *arguments: str) -> str:
    if not program:
        return ""
    answer = subprocess.run([program, *arguments], capture_output=True, text=True)  # noqa: S603
    if answer.returncode:
        return ""
    return (answer.stdout or answer.stderr).partition("\n")[0].strip()
