"""Trips as they are sent: the content of a frame, from a row."""

from tracking.models import Trip
from tracking.people import own_name
from tracking.protocol.frames import TripContent, TripDriver, TripWaypoint


def content_of(trip: Trip) -> TripContent:
    """Return the content of a trip's frame. The driver is read unless it was fetched before.

    A driver without a name has none here: a log-in name may be an e-mail address, which is not for
    riders.
    """
    return TripContent(
        id=trip.pk,
        reference=trip.reference,
        status=trip.status,  # type: ignore[arg-type]  # a constraint keeps it to these
        driver=_driver_of(trip),
        waypoints=[
            TripWaypoint(each["kind"], each["lat"], each["lon"], each["name"])
            for each in trip.waypoints
        ],
        eta=None,
        route=None,
    )


def _driver_of(trip: Trip) -> TripDriver | None:
    if trip.driver is None:
        return None
    return TripDriver(trip.driver.pk, own_name(trip.driver) or None, trip.vehicle)
