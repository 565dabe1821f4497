"""The package as users install it."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def build_wheel(directory: Path) -> Path:
    """Build the wheel of this checkout into a directory, and return its path."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--no-deps", "--wheel-dir", str(directory), str(PROJECT)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = directory.glob("*.whl")
    return wheel
