"""The demo's routing engine, on the town's own streets."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import CommandError

from ridehail.demo.osrm import OsrmFailed, find_osrm
from ridehail.demo.processes import free_port, program, wait_until_listening
from ridehail.demo.simulation.city import CITY_FILE
from ridehail.demo.streets_osm import osm_xml

PROFILE: Final = Path(__file__).with_name("car.lua")

# The backend if the vehicles drive faster than cars do.
FAST: Final = "ridehail.demo.town_engine.TownEngine"

# What the demo says about its times of arrival.
ROUTED: Final = "Times of arrival follow the streets: a routing engine (OSRM) knows the town."
GIVEN: Final = "Times of arrival come from the routing engine of ROUTING_URL."
MISSING: Final = (
    "Times of arrival are estimates along a straight line, as there is no routing engine.\n"
    "To install one (OSRM, 20 MB, with the other services of the tests): make services"
)
FAILED: Final = (
    "Times of arrival are estimates along a straight line, as the routing engine did not start.\n"
    "The server's log says why."
)


@contextlib.contextmanager
def town_routing(speed: float, log: Path, output: IO[Any]) -> Iterator[tuple[dict[str, str], str]]:
    """Run the engine for the block. Yield the server's environment for it, and what to say of it.

    The environment is empty if there is no engine, or if the settings give one. The vehicles drive
    `speed` times as fast as cars do.
    """
    given = bool(settings.TRACKING["ROUTING"])
    osrm = None if given else find_osrm()
    if osrm is None:
        yield {}, GIVEN if given else MISSING
        return
    with contextlib.ExitStack() as running:
        try:
            with tempfile.TemporaryDirectory() as temporary:
                streets = Path(temporary, "town.osm")
                town = json.loads(CITY_FILE.read_text(encoding="utf-8"))
                streets.write_text(osm_xml(town), encoding="utf-8")
                base = osrm.prepare(streets, PROFILE)
            port = free_port()
            engine = running.enter_context(program(osrm.command(base, port), output=output))
            wait_until_listening(port, engine, log)
        except (OsrmFailed, CommandError, OSError) as error:
            output.write(f"{error}\n")
            output.flush()
            yield {}, FAILED
            return
        url = f"http://127.0.0.1:{port}"
        if speed == 1:
            yield {"ROUTING_BACKEND": "osrm", "ROUTING_URL": url}, ROUTED
        else:
            yield {"ROUTING_BACKEND": FAST, "ROUTING_URL": f"{url}/{speed!r}"}, ROUTED
