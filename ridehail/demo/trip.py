"""The trip of the demo's rider, who watches the driver of the documentation's examples."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from ridehail.demo.cars import car_of
from ridehail.demo.simulation.city import City
from tracking import states, trips
from tracking.models import State, Trip, WatchGrant

REFERENCE: Final = "DEMO"
# Latitude and longitude: a round through the town. The first is near the contract's example.
_ROUND: Final = (
    (-1.4354, 0.9871),
    (-1.4288, 0.9790),
    (-1.4160, 0.9745),
    (-1.4175, 0.9930),
    (-1.4310, 0.9990),
    (-1.4440, 0.9995),
    (-1.4410, 0.9730),
)


def keep_trip(driver: User, rider: User, lasting: timedelta) -> Trip:
    """Return the open trip of these two, with a grant that lasts at least so long, up to a day.

    Create what is missing. Another trip that was given to the driver is canceled.
    """
    with transaction.atomic():
        trip = Trip.objects.filter(driver=driver, ended_at=None).first()
        if trip is not None and not trip.riders.filter(pk=rider.pk).exists():
            trips.cancel(trip)
            trip = None
        if trip is None:
            return _create(driver, rider)
        until = timezone.now() + lasting
        grants = WatchGrant.objects.filter(trip=trip, driver=driver, watcher=rider)
        if not grants.filter(ended_at=None, ends_at__gt=until).exists():
            trips.assign(trip, None)
            trip = trips.assign(trip, driver, vehicle=trip.vehicle)
        return trip


def _create(driver: User, rider: User) -> Trip:
    car = car_of(driver.pk)
    states.set_state(driver, State.AVAILABLE, vehicle_type=car.type)
    city = City.load()
    places = [city.nearest(*place, among=city.destinations) for place in _ROUND]
    kinds = ["pickup", *["stop"] * (len(places) - 2), "dropoff"]
    return trips.create(
        reference=REFERENCE,
        riders=[rider],
        driver=driver,
        waypoints=[city.waypoint(kind, place) for kind, place in zip(kinds, places, strict=True)],
        vehicle=car.description,
    )
