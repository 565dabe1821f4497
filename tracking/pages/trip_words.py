"""The phase of a trip in words, for the HTML of a page: what `trip-words.js` says later."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tracking.protocol.frames import TripContent

# The texts by status, as in `trip-words.js`.
_BEFORE: Final = {
    "new": "assigned",
    "enroute_to_pickup": "on_the_way",
    "arrived_at_pickup": "here",
}
_RIDING: Final = {
    "enroute_to_intermediate_destination": ("stop", "to_place", "to_stop"),
    "arrived_at_intermediate_destination": ("stop", "at_place", "at_stop"),
    "enroute_to_dropoff": ("dropoff", "to_place", "to_destination"),
}
_HOUR: Final = 3600


class Headline(NamedTuple):
    """The texts of a trip: its phase, the driver and the car, and when it arrives."""

    status: str
    car: str
    eta: str


def headline_of(trip: TripContent, texts: Mapping[str, str]) -> Headline:
    """Return the texts of an open trip.

    No time of day: the server does not know the reader's time zone, and the script says it later.
    """
    if trip.driver is None:
        return Headline(texts["looking"], texts["looking_hint"], "")
    name, vehicle = trip.driver.name, trip.driver.vehicle
    if trip.status in _BEFORE:
        key = _BEFORE[trip.status]
        status = texts[key] % {"name": name} if name else texts[f"{key}_unnamed"]
        return Headline(status, vehicle, _eta(trip, texts))
    kind, named, unnamed = _RIDING[trip.status]
    places = [place.name for place in trip.waypoints if place.kind == kind]
    place = places[0] if len(places) == 1 else None
    status = texts[named] % {"place": place} if place else texts[unnamed]
    car = " · ".join(filter(None, (name, vehicle)))
    return Headline(status, car, _eta(trip, texts))


def _eta(trip: TripContent, texts: Mapping[str, str]) -> str:
    if trip.eta is None or trip.status.startswith("arrived_"):
        return ""
    seconds = trip.eta.seconds
    if seconds < 60:
        return texts["arriving_now"]
    about = "" if trip.eta.confidence == "high" else "_about"
    if seconds >= _HOUR:
        return ""
    return texts[f"arrives_in{about}"] % {"count": round(seconds / 60)}
