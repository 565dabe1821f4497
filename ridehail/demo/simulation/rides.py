"""The rides of the town, as a host's dispatch system runs them."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from ridehail.demo.cars import car_of
from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.dispatch_api import DispatchApi, Refused
from ridehail.demo.simulation.phone import Phone, PhoneStopped
from ridehail.demo.simulation.ride_request import RideRequest, random_request
from ridehail.demo.simulation.shifts import change_shifts
from ridehail.demo.simulation.tour import drive_tours
from ridehail.demo.simulation.town_time import TownTime
from tracking.ids import DriverId, UserId

# The references of the simulation's trips begin with this. Others are never ended.
PREFIX: Final = "RIDE-"

# Seconds of the town.
BETWEEN_RIDES: Final = (60.0, 660.0)  # of a rider
FIRST_WAIT: Final = 300.0  # until all riders have asked for the first time
SEARCH_AGAIN: Final = 10.0  # until dispatch looks for a free car again
MAX_SEARCHES: Final = 30  # until it gives up
AT_PICKUP: Final = (15.0, 60.0)  # until the rider is in the car
AT_STOP: Final = (30.0, 120.0)
PARKED: Final = (5.0, 400.0)  # after a ride, until the car cruises
# Real seconds: over these the riders begin to ask, also in a fast town, as all phones connect just
# then; and the time for canceling the open trips at the end.
FIRST_REQUESTS: Final = 10.0
CLOSE_TIMEOUT: Final = 5.0

_ENROUTE: Final = {
    "pickup": "enroute_to_pickup",
    "stop": "enroute_to_intermediate_destination",
    "dropoff": "enroute_to_dropoff",
}
_ARRIVED: Final = {
    "pickup": "arrived_at_pickup",
    "stop": "arrived_at_intermediate_destination",
    "dropoff": "complete",
}


class Ride(NamedTuple):
    """A trip that the simulation has created."""

    trip_id: int
    rider_id: UserId
    request: RideRequest


class Rides:
    """Gives each rider's request to the nearest free car, and sees it through.

    `phones` are those of the drivers who take rides.
    """

    def __init__(
        self,
        api: DispatchApi,
        phones: Mapping[DriverId, Phone],
        riders: Sequence[UserId],
        *,
        city: City,
        rng: random.Random,
        speed: float,
    ) -> None:
        self.done = self.canceled = 0
        self._api, self._phones, self._riders = api, phones, riders
        self._city, self._rng, self._time = city, rng, TownTime(speed, rng)
        # Drivers who get no ride: they have one, drive somebody else's trip, or are off duty.
        self._busy: set[DriverId] = set()
        self._phases: dict[UserId, str] = {}
        self._asked = 0
        self._started_at = datetime.now(UTC)

    def progress(self) -> str:
        """Return how many riders wait and ride, and how many rides are done."""
        phases = Counter(self._phases.values())
        return (
            f"riders: {phases['waiting']} waiting, {phases['riding']} riding, {self.done} done,"
            f" {self.canceled} canceled"
        )

    async def run(self) -> None:
        """Run rides until cancelled, after canceling those that an earlier run left."""
        others = await self._end_open()
        drivers = [trip["driver"]["userId"] for trip in others if trip["driver"]]
        tourists = {rider_id for trip in others for rider_id in trip["riders"]}
        async with asyncio.TaskGroup() as tasks:
            for driver_id in self._phones.keys() & set(drivers):
                self._busy.add(driver_id)
                phone = self._phones[driver_id]
                tasks.create_task(drive_tours(self._api, phone, self._city, self._time))
            for rider_id in self._riders:
                if rider_id not in tourists:
                    tasks.create_task(self._live(rider_id))
            tasks.create_task(change_shifts(self._phones, self._busy, self._rng, self._time))

    async def close(self) -> None:
        """Cancel the open trips, so that no driver stays reserved."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._api.settle()
                await self._end_open()
        except TimeoutError:
            pass  # the next run does it
        finally:
            self._api.close()

    async def _live(self, rider_id: UserId) -> None:
        """Ask for one ride after the other."""
        await asyncio.sleep(self._rng.random() * FIRST_REQUESTS)
        await self._time.pause(0, FIRST_WAIT)
        while True:
            self._phases[rider_id] = "waiting"
            await self._ride(rider_id, random_request(self._city, self._rng))
            del self._phases[rider_id]
            await self._time.pause(*BETWEEN_RIDES)

    async def _ride(self, rider_id: UserId, request: RideRequest) -> None:
        self._asked += 1
        reference = f"{PREFIX}{self._started_at:%y%m%d-%H%M%S}-{self._asked}"
        ride = Ride(
            await self._api.create(reference, rider_id, request.waypoints), rider_id, request
        )
        phone = await self._find(ride)
        while phone is not None:
            try:
                await self._drive(ride, phone)
                break
            except PhoneStopped:
                await self._cancel(ride, "driver_cancellation")
                break
            except Refused:
                self._release(phone)
                phone = await self._next(ride)
        if phone is not None:
            self._release(phone)

    async def _find(self, ride: Ride) -> Phone | None:
        """Give the ride to the nearest free car; without one, cancel it and return None."""
        pickup = ride.request.waypoints[0]
        for _ in range(MAX_SEARCHES):
            for driver_id in await self._api.nearest(
                pickup["lat"], pickup["lon"], ride.request.vehicle_type
            ):
                if driver_id not in self._phones or driver_id in self._busy:
                    continue
                self._busy.add(driver_id)
                try:
                    await self._api.assign(ride.trip_id, driver_id, car_of(driver_id).description)
                except Refused as error:
                    self._busy.discard(driver_id)
                    if error.code == "trip_over":
                        return None  # staff have canceled it
                else:
                    return self._phones[driver_id]
            await self._time.pause(SEARCH_AGAIN, SEARCH_AGAIN)
        await self._cancel(ride, "provider_cancellation")
        return None

    async def _next(self, ride: Ride) -> Phone | None:
        """Return who has the ride now, after staff gave it to somebody else, or ended it."""
        trip = await self._api.trip(ride.trip_id)
        if trip["ended_at"] is not None:
            return None
        if trip["driver"] is None:
            return await self._find(ride)
        driver_id = trip["driver"]["userId"]
        if driver_id not in self._phones or driver_id in self._busy:
            return None
        self._busy.add(driver_id)
        return self._phones[driver_id]

    async def _drive(self, ride: Ride, phone: Phone) -> None:
        """Drive from waypoint to waypoint. Raise Refused once the driver has lost the trip."""
        self._phases[ride.rider_id] = "waiting"
        for place, waypoint in zip(ride.request.places, ride.request.waypoints, strict=True):
            kind = waypoint["kind"]
            await self._api.set_status(ride.trip_id, _ENROUTE[kind], phone.token)
            patience = ride.request.cancels_after if kind == "pickup" else None
            try:
                async with asyncio.timeout(patience and self._time.real(patience)):
                    await phone.drive_to(place)
            except TimeoutError:
                await self._cancel(ride, "customer_cancellation")
                return
            await self._api.set_status(ride.trip_id, _ARRIVED[kind], phone.token)
            if kind == "pickup":
                await self._time.pause(*AT_PICKUP)
                self._phases[ride.rider_id] = "riding"
            elif kind == "stop":
                await self._time.pause(*AT_STOP)
        self.done += 1

    def _release(self, phone: Phone) -> None:
        self._busy.discard(phone.driver_id)
        phone.vehicle.cruise(self._rng.uniform(*PARKED))

    async def _end_open(self) -> list[dict[str, Any]]:
        """Cancel the open trips of simulations, and return the others that are open."""
        trips = await self._api.open_trips()
        own = [trip["id"] for trip in trips if trip["reference"].startswith(PREFIX)]
        await asyncio.gather(*map(self._end, own))
        return [trip for trip in trips if trip["id"] not in own]

    async def _cancel(self, ride: Ride, reason: str) -> None:
        self.canceled += 1
        await self._end(ride.trip_id, reason)

    async def _end(self, trip_id: int, reason: str = "provider_cancellation") -> None:
        with contextlib.suppress(Refused):  # it has ended already
            await self._api.cancel(trip_id, reason)
