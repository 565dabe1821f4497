"""Cells about trips in the admin's lists: the status, the riders, and the link to the trip."""

from typing import Final

from django.contrib.admin.utils import quote
from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tracking.admin.cells import status_cell
from tracking.models import DriverState, Trip, TripStatus, WatchGrant
from tracking.people import full_name

# Riders whose names are in the list of trips. The number of the others follows.
NAMED_RIDERS: Final = 2


def trip_status_cell(status: str) -> SafeString:
    """Return a trip's status in its colour: one for all statuses under way."""
    name = status if status in (TripStatus.NEW, TripStatus.COMPLETE, TripStatus.CANCELED) else None
    return status_cell(f"trip-{name or 'underway'}", TripStatus(status).label)


def trip_name(row: DriverState | WatchGrant) -> str:
    """Return the reference of a row's trip, or its id; a dash without a trip."""
    if row.trip_id is None:
        return "–"
    try:
        return str(row.trip)
    except ObjectDoesNotExist:  # a grant outlives its trip
        return f"#{row.trip_id}"


def trip_link(site: str, row: DriverState | WatchGrant) -> SafeString | str:
    """Return the link to a row's trip in the admin site of this name; a dash without a trip."""
    return linked(site, row.trip_id, trip_name(row)) if row.trip_id is not None else "–"


def linked(site: str, trip_id: int, name: str) -> SafeString:
    """Return the link to a trip in the admin site of this name."""
    url = reverse(f"{site}:tracking_trip_change", args=[quote(trip_id)])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, name)


def riders_cell(trip: Trip) -> str:
    """Return the names of the first riders, and how many others there are: "Ada, Bo, +2"."""
    names = [full_name(rider) for rider in trip.riders.all()]
    more = len(names) - NAMED_RIDERS
    shown = [*names[:NAMED_RIDERS], f"+{more}"] if more > 0 else names
    return ", ".join(shown) or "–"
