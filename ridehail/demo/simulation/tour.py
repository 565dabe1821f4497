"""A trip that goes on from stop to stop: the simulation drives it, and never ends it."""

import asyncio
from collections.abc import Mapping
from itertools import cycle
from typing import Any, Final

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.dispatch_api import DispatchApi, Refused
from ridehail.demo.simulation.phone import Phone, PhoneStopped
from ridehail.demo.simulation.town_time import TownTime

AT_STOP: Final = (20.0, 60.0)  # seconds of the town
LOOK_AGAIN: Final = 5.0  # seconds until a driver without a trip looks for one again


async def drive_tours(api: DispatchApi, phone: Phone, city: City, time: TownTime) -> None:
    """Drive the open trip that a driver has, and then the next one, until the phone stops."""
    while phone.stopped is None:
        trips = await api.open_trips(driver=phone.driver_id)
        try:
            if trips:
                await _drive(trips[0], api, phone, city, time)
        except Refused:
            pass  # it was ended, or somebody else has it
        except PhoneStopped:
            return
        phone.vehicle.cruise()
        await asyncio.sleep(LOOK_AGAIN)


async def _drive(
    trip: Mapping[str, Any], api: DispatchApi, phone: Phone, city: City, time: TownTime
) -> None:
    """Drive to the pickup and then from stop to stop, until that is refused."""
    places: dict[str, list[int]] = {"pickup": [], "stop": [], "dropoff": []}
    for waypoint in trip["waypoints"]:
        place = city.nearest(waypoint["lat"], waypoint["lon"], range(len(city.points)))
        places[waypoint["kind"]].append(place)
    if trip["status"] in ("new", "enroute_to_pickup"):
        for place in places["pickup"]:
            await api.set_status(trip["id"], "enroute_to_pickup", phone.token)
            await phone.drive_to(place)
            await api.set_status(trip["id"], "arrived_at_pickup", phone.token)
            await time.pause(*AT_STOP)
    for place in cycle(places["stop"] or places["dropoff"] or places["pickup"]):
        await api.set_status(trip["id"], "enroute_to_intermediate_destination", phone.token)
        await phone.drive_to(place)
        await api.set_status(trip["id"], "arrived_at_intermediate_destination", phone.token)
        await time.pause(*AT_STOP)
