"""OSRM, a routing engine: its programs, and streets that are prepared for it."""

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAKE: Final = Path(__file__).resolve().parents[2] / ".make"
# What `make services` unpacks: `osrm/bin` and `osrm/share/profiles` of a wheel of this version.
VERSION: Final = "26.10.0"
CARRIED: Final = MAKE / f"osrm-{VERSION}"

PREPARE_TIMEOUT: Final = 120.0  # seconds for each step; a town takes less than one


class OsrmFailed(Exception):
    """Raised if a program of OSRM fails; the message ends with its output."""


@dataclass(frozen=True)
class Osrm:
    """The directories of OSRM's programs and of its profiles."""

    programs: Path
    profiles: Path

    def version(self) -> str:
        """Return its version in one line; empty if it does not run here."""
        try:
            answer = subprocess.run(  # noqa: S603, a program that was looked for
                [self.programs / "osrm-routed", "--version"],
                capture_output=True,
                text=True,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def prepare(self, streets: Path, profile: Path) -> Path:
        """Return the base path of the engine's files for an OSM file, as `command` takes it.

        They are made once, below .make, and made again for another version, OSM file or profile.
        Any number of processes may do this at the same time. Raises OsrmFailed.
        """
        digest = hashlib.sha256(self.version().encode())
        for path in (streets, profile):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        directory = MAKE / f"streets-{digest.hexdigest()[:16]}"
        if not directory.exists():
            MAKE.mkdir(exist_ok=True)
            # Beside its final place, and renamed when complete: nobody sees half of the files.
            with tempfile.TemporaryDirectory(prefix="streets-", dir=MAKE) as temporary:
                made = Path(temporary) / "made"
                made.mkdir()
                copy = shutil.copy(streets, made / f"town{''.join(streets.suffixes)}")
                base = made / "town.osrm"
                self._run("osrm-extract", "-p", str(profile), str(copy))
                self._run("osrm-partition", str(base))
                self._run("osrm-customize", str(base))
                with contextlib.suppress(OSError):  # another process was faster
                    made.rename(directory)
        return directory / "town.osrm"

    def command(self, base: Path, port: int) -> list[str]:
        """Return the command line that answers for prepared streets on a port of 127.0.0.1."""
        options = ["--algorithm", "mld", "--ip", "127.0.0.1", "--port", str(port)]
        return [str(self.programs / "osrm-routed"), *options, str(base)]

    def _run(self, program: str, *arguments: str) -> None:
        try:
            answer = subprocess.run(  # noqa: S603, as above
                [self.programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PREPARE_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OsrmFailed(f"{program}: {error}") from error
        if answer.returncode:
            raise OsrmFailed(f"{program} failed:\n{answer.stdout[-2000:]}")


def find_osrm() -> Osrm | None:
    """Return the OSRM on PATH, or the one below .make; None if there is none that runs."""
    found = [CARRIED / "osrm" / "bin"]
    if path := shutil.which("osrm-routed"):
        found.insert(0, Path(path).resolve().parent)
    for programs in found:
        share = programs.parent / "share"
        for profiles in (share / "profiles", share / "osrm" / "profiles"):
            osrm = Osrm(programs, profiles)
            if (profiles / "car.lua").exists() and osrm.version():
                return osrm
    return None
