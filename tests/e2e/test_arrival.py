"""Arrivals over real sockets: each event once, on every server, and in the fix's transaction."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tracking.geo import METRES_PER_DEGREE

from .client import DEADLINE, Client
from .conftest import DEVELOPMENT_IS_LONG
from .stack import RIDER

PICKUP, DROPOFF = (60.17, 24.94), (60.20, 24.94)

CREATE = """
from tracking import trips

places = [{"kind": kind, "lat": lat, "lon": lon} for kind, lat, lon in waypoints]
trip = trips.create(riders=[rider], driver=driver, reference="T-7", waypoints=places)
result = trip.pk
"""
ZONE = """
from tracking.models import Zone

zone = Zone.objects.create(name="Harbour", latitude=place[0], longitude=place[1], radius=100)
result = zone.pk
"""
EVENTS = """
from tracking.models import Event

events = Event.objects.filter(driver=driver).order_by("id")
result = [[event.type, event.sequence, event.data] for event in events]
"""


def drive(*steps):
    """Return the fixes of a drive: pairs of metres north of the pickup and seconds before now."""
    now = datetime.now(UTC)
    return [
        {
            "lat": PICKUP[0] + metres / METRES_PER_DEGREE,
            "lon": PICKUP[1],
            "recorded_at": (now - timedelta(seconds=ago)).isoformat(),
        }
        for metres, ago in steps
    ]


async def send(server, driver, token, fixes):
    """Send fixes as a phone that was offline for some seconds, and await the acknowledgement."""
    async with Client(f"{server.websocket_url}/driver/set-tracking?userId={driver}") as phone:
        await phone.send_message(token=token, command="send_batch", fixes=fixes)
        assert "location_lat" in json.loads(await phone.frame(0))


async def test_drive_to_the_pickup_and_away_makes_each_event_once(stack):
    driver = stack.new_driver()
    token = stack.tokens[driver]
    waypoints = [("pickup", *PICKUP), ("dropoff", *DROPOFF)]
    trip = await stack.host(CREATE, rider=RIDER, driver=driver, waypoints=waypoints)
    first = drive((-900, 50), (-400, 40), (10, 35), (12, 30))
    second = drive((250, 12), (400, 1))
    for fixes in (first, second):
        # The phone did not get the acknowledgement, and sends to the other server again.
        for server in (stack.driver_server, stack.watcher_server):
            await send(server, driver, token, fixes)
    events = await stack.host(EVENTS, driver=driver)
    common = {"trip": trip, "reference": "T-7", "driver": driver}
    waypoint = {"waypoint": "pickup", "number": 0}
    of_trip = [each for each in events if each[1] is not None]
    assert of_trip[1:] == [
        [f"waypoint.{step}", sequence, common | {"sequence": sequence} | waypoint]
        for sequence, step in ((2, "arriving"), (3, "arrived"), (4, "departed"))
    ]


@pytest.mark.parametrize("stack", DEVELOPMENT_IS_LONG, indirect=True)
async def test_zone_is_entered_and_left_once(stack):
    driver = stack.new_driver()
    zone = await stack.host(ZONE, place=PICKUP)
    servers = (stack.driver_server, stack.watcher_server)
    # Servers look for new zones each 5 s. Another driver of each shows when they have.
    for server in servers:
        other = stack.new_driver()
        async with asyncio.timeout(2 * DEADLINE):
            while not await stack.host(EVENTS, driver=other):
                await send(server, other, stack.tokens[other], drive((0, 0)))
    for fixes in (drive((-900, 50), (0, 30)), drive((900, 12), (950, 1))):
        for server in servers:
            await send(server, driver, stack.tokens[driver], fixes)
    common = {"driver": driver, "zone": zone, "name": "Harbour"}
    entered, left = await stack.host(EVENTS, driver=driver)
    assert entered == ["zone.entered", None, common]
    since = left[2].pop("entered_at")
    assert left == ["zone.exited", None, common]
    assert since[:4].isdigit()
