"""The widget of a trip: what its visitor may do with it."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from tracking.conf import conf
from tracking.models import Trip, TripStatus
from tracking.pages.widgets import reverse_or_empty
from tracking.shares import may_share


def is_rider(trip_id: int, user: Any) -> bool:
    """Return True if the user rides on the trip."""
    return Trip.objects.filter(pk=trip_id, riders=user.pk).exists()


def trip_page_data(trip_id: int, user: Any) -> dict[str, Any]:
    """Return what the widget may use of the REST API, for the page's user: paths, "" for none.

    The REST API checks each call again.
    """
    if user is None or not user.is_authenticated:
        return {"is_rider": False, "detail_url": "", "track_url": "", "shares_url": ""}
    rides = is_rider(trip_id, user)
    detail = reverse_or_empty("tracking_trips:trip-detail", trip_id)
    has_track = rides and conf.HISTORY != "off"
    # Without its page, a link leads nowhere.
    has_links = bool(reverse_or_empty("tracking_shares:page", "x"))
    shares = reverse_or_empty("tracking_trips:shares", trip_id) if has_links else ""
    return {
        "is_rider": rides,
        "detail_url": detail if rides else "",
        "track_url": reverse_or_empty("tracking_trips:track", trip_id) if has_track else "",
        "shares_url": shares if rides or may_share(user, Trip(pk=trip_id)) else "",
    }


def seconds_at_pickup(trip: Trip) -> int | str:
    """Return the seconds that the driver has waited at the pickup, "" if that is not known."""
    if trip.status != TripStatus.ARRIVED_AT_PICKUP:
        return ""
    reached = trip.assignments.filter(until=None).values_list("reached", flat=True).first() or {}
    arrived = reached.get("0", {}).get("arrived")
    if arrived is None:
        return ""
    return max(0, round((timezone.now() - datetime.fromisoformat(arrived)).total_seconds()))
