"""The routing engine: where it is found, and what it answers on real streets."""

import json
import math
import subprocess
import sys
import urllib.request

import pytest

from ridehail.demo import osrm as programs
from ridehail.demo.osrm import OsrmFailed, find_osrm
from tests.services import ServiceError, carried_files, osrm
from tests.services.osrm import ANNANKATU, LIISANKATU
from tests.services.program import locked


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a directory that replaces .make, without anything in it."""
    monkeypatch.setattr(programs, "MAKE", tmp_path)
    return tmp_path


@pytest.fixture
def engine():
    if not osrm.installable():
        pytest.skip(osrm.MISSING)
    return osrm.find_engine()


def route(url, *places):
    path = ";".join(f"{longitude},{latitude}" for latitude, longitude in places)
    with urllib.request.urlopen(f"{url}/route/v1/driving/{path}?overview=false", timeout=10) as a:
        return json.load(a)["routes"][0]


def test_a_car_drives_round_what_lies_between_two_streets(routing_engine):
    found = route(routing_engine.url, ANNANKATU, LIISANKATU)
    north, east = (b - a for a, b in zip(ANNANKATU, LIISANKATU, strict=True))
    straight = 111_195 * math.hypot(north, east * math.cos(math.radians(60.17)))
    assert 1.1 * straight < found["distance"] < 3 * straight
    # Metres per second: slower than the limit of 30 to 50 km/h, as there are crossings.
    assert 2 < found["distance"] / found["duration"] < 13


def test_streets_are_prepared_once(engine, make):
    profile = engine.profiles / "car.lua"
    first = engine.prepare(osrm.HELSINKI, profile)
    made = {path: path.stat().st_mtime_ns for path in make.rglob("*")}
    assert engine.prepare(osrm.HELSINKI, profile) == first
    assert {path: path.stat().st_mtime_ns for path in make.rglob("*")} == made


def test_processes_may_prepare_the_same_streets_at_the_same_time(engine, make):
    script = (
        "import sys; from pathlib import Path; from ridehail.demo import osrm; "
        "osrm.MAKE = Path(sys.argv[1]); found = osrm.find_osrm(); "
        "print(found.prepare(Path(sys.argv[2]), found.profiles / 'car.lua'))"
    )
    command = [sys.executable, "-c", script, str(make), str(osrm.HELSINKI)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    (base,) = answers
    with osrm.RoutingEngine() as server:
        server.stop()
        server._base = base.strip()
        server.start()
        assert route(server.url, ANNANKATU, LIISANKATU)["distance"] > 0
    assert [path.name for path in make.iterdir()] == [base.strip().rsplit("/", 2)[1]]


def test_streets_that_cannot_be_read_are_an_error_with_the_engines_words(engine, make):
    streets = make / "town.osm"
    streets.write_text("<osm")
    with pytest.raises(OsrmFailed, match=r"osrm-extract failed:(?s:.+)town\.osm"):
        engine.prepare(streets, engine.profiles / "car.lua")
    assert list(make.iterdir()) == [streets]


def test_without_the_programs_the_error_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(osrm, "find_osrm", lambda: None)
    with pytest.raises(ServiceError, match=r"tests\.services"):
        osrm.find_engine()


def test_programs_that_do_not_run_are_not_found(make, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(programs, "CARRIED", make)
    bin_, profiles = make / "osrm" / "bin", make / "osrm" / "share" / "profiles"
    for directory in (bin_, profiles):
        directory.mkdir(parents=True)
    (profiles / "car.lua").touch()
    (bin_ / "osrm-routed").write_text("#!/bin/sh\nexit 1\n")
    (bin_ / "osrm-routed").chmod(0o755)
    assert find_osrm() is None


@pytest.mark.parametrize(
    ("machine", "libc"),
    [("riscv64", ("glibc", "2.36")), ("x86_64", ("", "")), ("x86_64", ("glibc", "2.17"))],
)
def test_machines_that_cannot_run_the_programs_are_known(machine, libc, monkeypatch):
    monkeypatch.setattr(carried_files.platform, "machine", lambda: machine)
    monkeypatch.setattr(carried_files.platform, "libc_ver", lambda: libc)
    assert not carried_files.installable()


def test_the_version_that_is_looked_for_is_the_one_that_is_installed():
    assert locked(osrm.PROGRAMS[0]).startswith(f"osrm-bindings=={programs.VERSION} ")


def test_the_streets_lie_beside_their_copyright(engine):
    notice = osrm.HELSINKI.parents[2] / "NOTICE"
    assert "OpenStreetMap contributors, Open Database License" in notice.read_text()
