"""Valhalla: where it is found, how its tiles are made, and what its process leaves behind."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.services import ServiceError, osrm, valhalla
from tests.services.program import locked


@pytest.fixture
def programs():
    if not valhalla.installable():
        pytest.skip(valhalla.MISSING)
    valhalla.find_program()


@pytest.fixture
def make(programs, tmp_path, monkeypatch):
    """Return a directory that replaces .make, without anything in it."""
    monkeypatch.setattr(valhalla, "MAKE", tmp_path)
    return tmp_path


def test_tiles_are_made_once(make):
    first = valhalla.prepare(osrm.HELSINKI)
    made = {path: path.stat().st_mtime_ns for path in make.rglob("*")}
    assert any(path.suffix == ".gph" for path in made)
    assert valhalla.prepare(osrm.HELSINKI) == first
    assert {path: path.stat().st_mtime_ns for path in make.rglob("*")} == made


def test_processes_may_make_the_same_tiles_at_the_same_time(make):
    script = (
        "import sys; from pathlib import Path; from tests.services import valhalla; "
        "valhalla.MAKE = Path(sys.argv[1]); print(valhalla.prepare(Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", script, str(make), str(osrm.HELSINKI)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert [f"{path}\n" for path in make.iterdir()] == [*answers]


def test_streets_that_cannot_be_read_are_an_error_with_the_engines_words(make):
    streets = make / "town.osm.pbf"
    streets.write_text("no streets")
    with pytest.raises(ServiceError, match=r"valhalla_build_tiles failed:\n.+"):
        valhalla.prepare(streets)
    assert [*make.iterdir()] == [streets]


def test_without_the_programs_the_error_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(valhalla, "CARRIED", tmp_path)
    with pytest.raises(ServiceError, match=r"tests\.services.+Linux"):
        valhalla.Valhalla()


def test_it_listens_on_this_machine_only_and_ends_without_a_trace(programs, monkeypatch, tmp_path):
    valhalla.prepare(osrm.HELSINKI)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with valhalla.Valhalla() as engine:
        pid, port = engine.pid, engine.port
        with urllib.request.urlopen(f"{engine.url}/status", timeout=10) as answer:
            assert json.load(answer)["version"] == valhalla.VERSION
        with socket.socket() as other:
            # Another address of this machine would be taken, if it listened on all.
            other.bind(("127.0.0.2", port))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert [*tmp_path.iterdir()] == []


def test_the_version_that_is_looked_for_is_the_one_that_is_installed():
    assert locked(valhalla.PROGRAMS[0]).startswith(f"pyvalhalla=={valhalla.VERSION} ")


def test_the_programs_lie_beside_their_licence(programs):
    notice = (valhalla.CARRIED / "NOTICE").read_text()
    assert "Valhalla contributors, MIT" in notice
    assert "The MIT License" in (valhalla.CARRIED / valhalla.LICENCE).read_text()
