"""The memory and the duration of an export, in a process of its own.

Run as a program, with the ids of two drivers: the first is exported before the measurement.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from benchmarks.database import ROOT
from benchmarks.history.figures import Figures

MAX_MEMORY: Final = 50.0  # MB


def measure(figures: Figures, small: int, large: int, days: int) -> None:
    """Export everything about the driver `large`, and add the figures."""
    child = subprocess.run(  # noqa: S603 - this program
        [sys.executable, "-m", "benchmarks.history.exporting", str(small), str(large)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(child.stdout)
    size = f"{found['unpacked']:.0f} MB, {found['zipped']:.0f} MB zipped"
    title = f"Exporting {days} days of one driver ({size}): growth of the memory"
    figures.add(title, "MB", [found["memory"]], MAX_MEMORY)
    figures.add("Its duration", "s", [found["seconds"]])


def main() -> None:
    """Print the figures as JSON."""
    import django

    django.setup()
    from tracking.history import export

    small, large = map(int, sys.argv[1:])
    with tempfile.TemporaryFile() as file:
        export(small, file)
    with tempfile.TemporaryFile() as file:
        # The peak is counted anew.
        Path("/proc/self/clear_refs").write_text("5")
        before = _memory("VmRSS")
        began = time.perf_counter()
        export(large, file)
        seconds = time.perf_counter() - began
        entries = ZipFile(file).infolist()
        found = {
            "seconds": seconds,
            "memory": _memory("VmHWM") - before,
            "zipped": file.seek(0, os.SEEK_END) / 1e6,
            "unpacked": sum(entry.file_size for entry in entries) / 1e6,
        }
    json.dump(found, sys.stdout)


def _memory(name: str) -> float:
    """Return one of the kernel's figures of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6


if __name__ == "__main__":
    main()
