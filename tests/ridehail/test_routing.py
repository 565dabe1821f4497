"""The demo's routing engine: the town's streets, and cars like the simulator's."""

import contextlib
import json
import random
import stat
import statistics
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ridehail.demo import routing
from ridehail.demo.osrm import Osrm
from ridehail.demo.routing import FAILED, GIVEN, MISSING, PROFILE, ROUTED, town_routing
from ridehail.demo.simulation.city import CITY_FILE, SPEED_LIMITS, City
from ridehail.demo.simulation.vehicle import Vehicle
from ridehail.demo.streets_osm import osm_xml
from tests.services import osrm
from tracking.eta.engines import from_settings

TOWN = {
    "latitude": -1.435,
    "longitude": 0.985,
    "unit": 1e-05,
    "streets": [
        {"class": "primary", "name": 'Quay & "Pier"', "points": [0, 0, 100, 0, 200, 50]},
        {"class": "residential", "name": "", "points": [100, 0, 100, -100]},
    ],
}


def test_streets_that_meet_share_a_node():
    root = ET.fromstring(osm_xml(TOWN))
    places = {node.get("id"): (node.get("lat"), node.get("lon")) for node in root.findall("node")}
    ways = [[nd.get("ref") for nd in way.findall("nd")] for way in root.findall("way")]
    assert len(places) == 4
    assert ways[0][1] == ways[1][0]
    assert places[ways[0][1]] == ("-1.4350000", "0.9860000")


def test_streets_have_their_class_and_their_name_if_there_is_one():
    ways = ET.fromstring(osm_xml(TOWN)).findall("way")
    tags = [{tag.get("k"): tag.get("v") for tag in way.findall("tag")} for way in ways]
    assert tags == [
        {"highway": "primary", "name": 'Quay & "Pier"'},
        {"highway": "residential"},
    ]


def test_the_profile_has_the_simulators_limits():
    limits = ", ".join(f"{name} = {limit}" for name, limit in SPEED_LIMITS.items())
    assert f"local LIMITS = {{ {limits} }}" in PROFILE.read_text()


@contextlib.contextmanager
def run(speed, tmp_path):
    log = tmp_path / "demo.log"
    with log.open("a") as output, town_routing(speed, log, output) as answer:
        yield answer


def engine_or_skip():
    if not osrm.installable():
        pytest.skip(osrm.MISSING)
    osrm.find_engine()


@pytest.mark.parametrize("speed", [1.0, 50.0])
async def test_the_engine_knows_how_long_the_simulators_vehicles_take(speed, tmp_path, settings):
    engine_or_skip()
    city = City.load()
    errors = []
    with run(speed, tmp_path) as (environment, words):
        assert words == ROUTED
        backend, url = environment["ROUTING_BACKEND"], environment["ROUTING_URL"]
        settings.TRACKING = settings.TRACKING | {"ROUTING": {"BACKEND": backend, "URL": url}}
        engine = from_settings()
        for seed in range(40):
            vehicle = Vehicle(city, random.Random(seed))
            position = vehicle.advance(30)
            place = city.destinations[seed]
            vehicle.drive_to(place)
            seconds = 0.0
            while not vehicle.arrived:
                vehicle.advance(0.5)
                seconds += 0.5 / speed
            start, end = (position.latitude, position.longitude), city.degrees(city.points[place])
            route = await engine.route(start, end)
            (leg,) = await engine.matrix([(start, end)])
            assert route.seconds == pytest.approx(leg.seconds)
            errors.append(abs(route.seconds / seconds - 1))
        await engine.close()
    # Measured on 200 drives: median 3 %, nine of ten within 12 %.
    assert statistics.median(errors) < 0.08


def test_the_engine_ends_with_the_block(tmp_path):
    engine_or_skip()
    with run(1.0, tmp_path) as (environment, _):
        url = environment["ROUTING_URL"]
        urllib.request.urlopen(f"{url}/nearest/v1/driving/0.985,-1.435", timeout=10).close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)


def test_without_an_engine_the_demo_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(routing, "find_osrm", lambda: None)
    with run(1.0, tmp_path) as answer:
        assert answer == ({}, MISSING)
    assert "make services" in MISSING


def test_an_engine_of_the_settings_is_used(tmp_path, settings):
    settings.TRACKING = settings.TRACKING | {"ROUTING": {"BACKEND": "osrm", "URL": "http://x"}}
    with run(1.0, tmp_path) as answer:
        assert answer == ({}, GIVEN)


def test_an_engine_that_fails_does_not_stop_the_demo(tmp_path, monkeypatch):
    for name in ("osrm-routed", "osrm-extract"):
        (tmp_path / name).write_text(
            "#!/bin/sh\n[ $1 = --version ] || { echo bad luck; exit 1; }\n"
        )
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setattr(routing, "find_osrm", lambda: Osrm(tmp_path, tmp_path))
    with run(1.0, tmp_path) as answer:
        assert answer == ({}, FAILED)
    assert "bad luck" in (tmp_path / "demo.log").read_text()


def test_the_towns_file_is_the_same_each_time():
    town = json.loads(Path(CITY_FILE).read_text())
    assert osm_xml(town) == osm_xml(town)
