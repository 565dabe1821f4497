"""Times of arrival over real sockets: on whichever server the driver reports, and the rider is."""

import json

import pytest

from .client import Client
from .conftest import DEVELOPMENT_IS_LONG
from .stack import RIDER

CREATE = """
from tracking import trips

places = [
    {"kind": "pickup", "lat": 60.17, "lon": 24.94},
    {"kind": "dropoff", "lat": 60.22, "lon": 24.94},
]
trip = trips.create(riders=[rider], driver=driver, reference="T-7", waypoints=places)
result = trip.pk
"""
SET_STATUS = """
from tracking import trips

trips.set_status(trip, status)
"""


async def trip_frame(rider, fits):
    """Return the first trip frame that fits, from those that came and those that come."""
    number = 0
    while True:
        frame = json.loads(await rider.frame(number))
        if "trip" in frame and fits(frame["trip"]):
            return frame["trip"]
        number += 1


@pytest.mark.parametrize("stack", DEVELOPMENT_IS_LONG, indirect=True)
async def test_rider_on_another_server_sees_when_the_driver_arrives(stack):
    driver = stack.new_driver()
    trip = await stack.host(CREATE, rider=RIDER, driver=driver)
    url = f"{stack.watcher_server.websocket_url}/trip/get-tracking?tripId={trip}"
    async with stack.driver(driver) as phone, Client(url) as rider:
        await rider.send_message(token=stack.tokens[RIDER], command="start")
        assert json.loads(await rider.frame(0))["trip"]["eta"] is None
        # 3,336 m south of the pickup.
        await phone.send("60.14", "24.94")
        first = await trip_frame(rider, lambda trip: trip["eta"])
        # No engine here: the straight line.
        assert first["eta"]["confidence"] == "low"
        assert 4500 < first["eta"]["distance"] < 5500
        assert 500 < first["eta"]["seconds"] < 800
        assert first["route"] is None
        await phone.send("60.17", "24.94")
        await stack.host(SET_STATUS, trip=trip, status="enroute_to_dropoff")
        # Never of the former waypoint, which is 3,336 m closer. Without a time yet, unless the
        # rider's connection was late and got both changes in one frame.
        gone = await trip_frame(rider, lambda trip: trip["status"] == "enroute_to_dropoff")
        second = await trip_frame(
            rider, lambda trip: trip["eta"] and trip["status"] == "enroute_to_dropoff"
        )
        assert gone["eta"] in (None, second["eta"])
        assert 7900 < second["eta"]["distance"] < 8800
