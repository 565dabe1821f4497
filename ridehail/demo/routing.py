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
_FACTOR: Final = "local FACTOR = 1 "

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


def profile(speed: float) -> str:
    """Return the engine's profile of vehicles that drive `speed` times as fast as cars do."""
    text = PROFILE.read_text(encoding="utf-8")
    return text.replace(_FACTOR, f"local FACTOR = {speed!r} ")


@contextlib.contextmanager
def town_routing(speed: float, log: Path, output: IO[Any]) -> Iterator[tuple[str, str]]:
    """Run the engine for the block, and yield its URL and what to say about it.

    The URL is empty if there is no engine, or if the settings give one.
    """
    given = bool(settings.TRACKING["ROUTING"])
    osrm = None if given else find_osrm()
    if osrm is None:
        yield "", GIVEN if given else MISSING
        return
    with contextlib.ExitStack() as running:
        try:
            with tempfile.TemporaryDirectory() as temporary:
                streets, lua = Path(temporary, "town.osm"), Path(temporary, "car.lua")
                town = json.loads(CITY_FILE.read_text(encoding="utf-8"))
                streets.write_text(osm_xml(town), encoding="utf-8")
                lua.write_text(profile(speed), encoding="utf-8")
                base = osrm.prepare(streets, lua)
            port = free_port()
            engine = running.enter_context(program(osrm.command(base, port), output=output))
            wait_until_listening(port, engine, log)
        except (OsrmFailed, CommandError, OSError) as error:
            output.write(f"{error}\n")
            output.flush()
            answer = "", FAILED
        else:
            answer = f"http://127.0.0.1:{port}", ROUTED
        yield answer
