"""Another real routing engine, Valhalla, on the same streets as `osrm`."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ridehail.demo.osrm import MAKE

from . import carried_files, osrm
from .process import Process, ServiceError
from .program import Program

# What `install` unpacks of a wheel of this version. `CONFIGURE` prints the default configuration.
VERSION = "3.9.1"
CARRIED = MAKE / f"valhalla-{VERSION}"
BUILD, SERVICE = "valhalla/bin/valhalla_build_tiles", "valhalla/bin/valhalla_service"
CONFIGURE = "valhalla/valhalla_build_config.py"
LICENCE = f"pyvalhalla-{VERSION}.dist-info/licenses/COPYING"
PROGRAMS = ("pyvalhalla", (BUILD, SERVICE, CONFIGURE, LICENCE, "pyvalhalla.libs/"))
PROGRAMS_NOTICE = f"© Valhalla contributors, MIT: {LICENCE} and https://valhalla.github.io/\n"

PREPARE_TIMEOUT = 120.0  # seconds; Helsinki's centre takes one

MISSING = (
    "There is no Valhalla to route with, or no streets. Get them with `python -m tests.services`, "
    "on Linux with glibc 2.28 or newer on x86-64 or ARM."
)


def installable() -> bool:
    # One of the system is not used: each version has a configuration of its own.
    return carried_files.installable()


def install() -> None:
    """Install what is missing of the programs and the streets. Raises `ServiceError`."""
    carried_files.install(*PROGRAMS, CARRIED, PROGRAMS_NOTICE)
    osrm.install_streets()


def find_program() -> Program:
    """Return Valhalla, where there are streets for it too. Raises `ServiceError`."""
    program = Program(CARRIED / SERVICE, "Valhalla")
    if not program.path.exists() or not osrm.HELSINKI.exists():
        raise ServiceError(MISSING)
    return program


def prepare(streets: Path) -> Path:
    """Return the directory of the engine's tiles for an OSM file.

    They are made once, below .make, and made again for another version or OSM file. Any number of
    processes may do this at the same time. Raises `ServiceError`.
    """
    find_program()
    digest = hashlib.sha256(VERSION.encode())
    digest.update(hashlib.sha256(streets.read_bytes()).digest())
    directory = MAKE / f"valhalla-streets-{digest.hexdigest()[:16]}"
    if not directory.exists():
        # Beside its final place, and renamed when complete: nobody sees half of the files.
        with tempfile.TemporaryDirectory(prefix="valhalla-streets-", dir=MAKE) as name:
            temporary = Path(name)
            tiles = temporary / "tiles"
            file = temporary / "valhalla.json"
            file.write_text(json.dumps(_configuration(tiles)))
            _run(CARRIED / BUILD, "--config", file, "--concurrency", "1", streets)
            with contextlib.suppress(OSError):  # another process was faster
                tiles.rename(directory)
    return directory


def _configuration(tiles: Path) -> Any:
    """Return the configuration as it is by default, for tiles in this directory."""
    configuration = json.loads(_run(Path(sys.executable), CARRIED / CONFIGURE))
    # Everything else that it names is of a country: borders, time zones, traffic. This machine may
    # have some at these paths.
    mjolnir = configuration["mjolnir"]
    configuration["mjolnir"] = {
        key: value for key, value in mjolnir.items() if not str(value).startswith("/")
    }
    configuration["mjolnir"]["tile_dir"] = str(tiles)
    del configuration["additional_data"]
    return configuration


def _run(program: Path, *arguments: str | Path) -> str:
    """Return what it writes. Raises `ServiceError` with that."""
    try:
        answer = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PREPARE_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"{program.name}: {error}") from error
    if answer.returncode:
        raise ServiceError(f"{program.name} failed:\n{(answer.stdout + answer.stderr)[-2000:]}")
    return answer.stdout


class Valhalla(Process):
    """Routes cars on the streets of Helsinki's centre, or on those of another OSM file."""

    def __init__(self, streets: Path = osrm.HELSINKI) -> None:
        super().__init__("Valhalla")
        self._program = find_program()
        self._configuration = _configuration(prepare(streets))
        # As docs/eta.md says.
        self._configuration["thor"]["costmatrix"]["allow_second_pass"] = True
        self._folder = tempfile.TemporaryDirectory(prefix="ridehail-valhalla-")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str | os.PathLike[str]]:
        # By default it listens on all addresses, and takes half a minute to stop.
        self._configuration["httpd"]["service"] |= {
            "listen": f"tcp://127.0.0.1:{self.port}",
            "drain_seconds": 0,
            "shutdown_seconds": 0,
        }
        file = Path(self._folder.name) / "valhalla.json"
        file.write_text(json.dumps(self._configuration))
        return [self._program.path, file, "1"]

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._folder.cleanup()
