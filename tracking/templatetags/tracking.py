"""`{% load tracking %}`: tags for the widgets, for any page of the host project.

Each tag adds a `<div>`, its style sheets and one module script, and may be used several times on a
page. To change a widget's markup, override its template or blocks of it:
`{% extends "tracking/driver_map.html" %}{% block panel %}…{% endblock %}`.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model
from django.template import TemplateSyntaxError
from django.utils import timezone

from tracking.conf import conf
from tracking.ids import INTEGERS, DriverId
from tracking.models import Trip
from tracking.pages.app import addresses
from tracking.pages.trips import seconds_at_pickup, trip_page_data
from tracking.pages.widgets import log_in_url, reverse_or_empty, widget_context
from tracking.people import USER_IDS
from tracking.protocol import encode_trip
from tracking.trips.content import content_of

register = template.Library()


@register.inclusion_tag("tracking/driver_map.html")
def driver_map(driver_id: DriverId | str | AbstractBaseUser, name: str = "") -> dict[str, Any]:
    """Show one driver on a map, if the logged-in user may watch that driver.

    `driver_id` is the driver's user or that user's id. If drivers have a profile model, pass the
    profile's user. `name` is shown to every visitor of the page; without it, the map shows
    "Driver 19".
    """
    driver_id = _driver_id("driver_map", driver_id)
    http_url = reverse_or_empty("tracking:location-stream", driver_id)
    return _context("driver-map", driver_id=driver_id, driver_name=name, http_url=http_url)


@register.inclusion_tag("tracking/trip_map.html", takes_context=True)
def trip_map(context: template.Context, trip: Trip | int | str) -> dict[str, Any]:
    """Show a trip and the car of its driver, for its riders, its driver, and staff.

    `trip` is a trip or its id. With a trip, its driver's name and its waypoints are in the page,
    for every visitor of it; with an id, they come over the socket, which refuses strangers. If the
    page's `request` has a user who rides on the trip, the map also shows cars nearby before there
    is a driver, and the summary afterwards; riders and staff can share it.
    """
    user = getattr(context.get("request"), "user", None)
    if isinstance(trip, Trip) and trip.pk is not None:
        frame = encode_trip(content_of(trip))
        more = trip_page_data(trip.pk, user) | {"waiting": seconds_at_pickup(trip)}
        return _trip_context(trip.pk, frame, **more)
    trip_id = None if isinstance(trip, Trip | bool) else INTEGERS.parse(str(trip))
    if not isinstance(trip_id, int):
        raise TemplateSyntaxError(f"trip_map takes a trip or its id, not {trip!r}")
    more = trip_page_data(trip_id, user)
    return _trip_context(trip_id, "", waiting="", **more)


@register.inclusion_tag("tracking/fleet_map.html", takes_context=True)
def fleet_map(context: template.Context) -> dict[str, Any]:
    """Show all drivers on one map, for staff.

    A driver's trip is a link into the admin if the page's `request` has a user who may view trips.
    """
    user = getattr(context.get("request"), "user", None)
    may_view_trips = user is not None and user.has_perm("tracking.view_trip")
    return _context(
        "fleet-map",
        http_url=reverse_or_empty("tracking_fleet:stream"),
        trip_url=reverse_or_empty("admin:tracking_trip_change", 0) if may_view_trips else "",
        search_url=reverse_or_empty("tracking:search"),
        row_url=reverse_or_empty("admin:tracking_driverlocation_change", 0),
    )


@register.inclusion_tag("tracking/dispatch_console.html", takes_context=True)
def dispatch_console(context: template.Context) -> dict[str, Any]:
    """Show the dispatcher's console: all drivers, trips and alerts in lists beside the map.

    What it shows depends on the URLs that the project includes and on the permissions of the user
    of the page's `request`: the list of drivers needs `tracking.urls.fleet`, trips need
    `tracking.urls.trips`, the nearest cars `tracking.urls`.
    """
    user = getattr(context.get("request"), "user", None)

    def may(permission: str) -> bool:
        return user is not None and user.is_staff and user.has_perm(f"tracking.{permission}")

    sees_trips = may("view_driverlocation") and may("view_trip")
    sees_alerts = sees_trips or may("view_driveralert") or may("change_driveralert")
    return _context(
        "dispatch-console",
        http_url=reverse_or_empty("tracking_fleet:stream"),
        drivers_url=reverse_or_empty("tracking_fleet:drivers"),
        filters_url=reverse_or_empty("tracking_fleet:filters"),
        matches_url=reverse_or_empty("tracking_fleet:matches"),
        alerts_url=reverse_or_empty("tracking_fleet:alerts") if sees_alerts else "",
        trips_url=reverse_or_empty("tracking_trips:trip-list") if sees_trips else "",
        nearby_url=reverse_or_empty("tracking:nearby"),
        replay_url=reverse_or_empty("tracking:driver-replay", USER_IDS.lowest),
        replay_id=str(USER_IDS.lowest),
        may_assign=sees_trips and may("change_trip"),
        may_acknowledge=may("change_trip") or may("change_driveralert"),
    )


@register.inclusion_tag("tracking/driver_day.html")
def driver_day(day: Mapping[str, Any]) -> dict[str, Any]:
    """Show a driver's day in the history, for the admin's page, whose data it needs."""
    return _context("driver-day", **day)


@register.inclusion_tag("tracking/driver_day.html")
def driver_replay(
    driver_id: DriverId | str | AbstractBaseUser,
    date: str = "",
    tz: str = "",
    latest: datetime | None = None,
) -> dict[str, Any]:
    """Replay a driver's day, if the logged-in user may read the driver's track.

    `date` is such as "2026-03-30", a day of the time zone `tz`, by default the viewer's own.
    Without a date it is the day of `latest`, or today.
    """
    driver_id = _driver_id("driver_replay", driver_id)
    return _context(
        "driver-day",
        track_url=reverse_or_empty("tracking:track", driver_id),
        date=date,
        zone=tz,
        latest=latest.isoformat() if latest is not None else "",
        map_link_url=conf.MAP_LINK_URL,
    )


@register.inclusion_tag("tracking/driver_day.html")
def trip_replay(trip: Trip, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Replay a trip from `since` to `until`, as far as the logged-in user may read its track."""
    now = timezone.now()
    return _context(
        "driver-day",
        track_url=reverse_or_empty("tracking_trips:track", trip.pk),
        since=(since or now).isoformat(),
        until=(until or now).isoformat(),
        map_link_url=conf.MAP_LINK_URL,
    )


@register.inclusion_tag("tracking/fleet_replay.html")
def fleet_replay(time: datetime | None = None, date: str = "", tz: str = "") -> dict[str, Any]:
    """Replay a day of the whole fleet, for staff who may view the history.

    It begins at `time`, else with the day `date` of the time zone `tz`, else one hour ago.
    """
    return _context(
        "fleet-replay",
        fleet_at_url=reverse_or_empty("tracking_fleet:at"),
        replay_url=reverse_or_empty("tracking:driver-replay", USER_IDS.lowest),
        time=time.isoformat() if time is not None else "",
        date=date,
        zone=tz,
    )


@register.inclusion_tag("tracking/zone_map.html")
def zone_map(zone: Mapping[str, Any]) -> dict[str, Any]:
    """Show a zone on a map, to be drawn there, for the admin's page, whose fields it fills in."""
    return _context("zone-map", zone=json.dumps(zone), may_edit=zone["may_edit"])


@register.inclusion_tag("tracking/share_location.html")
def share_location(driver_id: DriverId | str | AbstractBaseUser, state: str = "") -> dict[str, Any]:
    """Show a button that shares this phone's location, for the logged-in driver `driver_id`.

    With the driver's `state`, as `tracking.states` has it, the button also begins and ends the
    shift. If the host includes `tracking.urls.trips`, the driver's trip is below it.
    """
    driver_id = _driver_id("share_location", driver_id)
    http_url = reverse_or_empty("tracking:location", driver_id).removesuffix("location/")
    return _context(
        "share",
        driver_id=driver_id,
        state=state,
        http_url=http_url,
        trips_url=reverse_or_empty("tracking_trips:trip-list"),
    )


@register.simple_tag
def language_names() -> list[tuple[str, str]]:
    """Return LANGUAGES with their names as they are: Django's own tag translates "English"."""
    return [(code, str(name)) for code, name in settings.LANGUAGES]


@register.simple_tag
def app_addresses(name: str) -> dict[str, str]:
    """Return the addresses of the app "driver" or "trip", for `tracking/app_head.html`."""
    return addresses(name)


def _trip_context(trip_id: int, frame: str, **data: Any) -> dict[str, Any]:
    http_url = reverse_or_empty("tracking_trips:stream", trip_id)
    return _context("trip-map", trip_id=trip_id, trip_frame=frame, http_url=http_url, **data)


def _context(widget: str, **data: Any) -> dict[str, Any]:
    return widget_context(widget, log_in_url=log_in_url(), **data)


def _driver_id(tag: str, value: Any) -> DriverId:
    """Return a driver's id, given the id or the user; else raise TemplateSyntaxError."""
    if isinstance(value, get_user_model()):
        value = value.pk
    elif isinstance(value, Model):
        # The id of the profile may equal the id of another user.
        raise TemplateSyntaxError(
            f"{tag} takes a driver's id or the driver's user, not {value!r}: pass the profile's "
            "user"
        )
    lowest: Any = USER_IDS.lowest
    # An integer larger than any stored id needs no check here: the socket refuses it.
    is_id = type(value) is type(lowest) and value > lowest
    driver_id = value if is_id else USER_IDS.parse(str(value))
    if driver_id is None:
        raise TemplateSyntaxError(
            f"{tag} takes a driver's id ({USER_IDS.description}) or a user, not {value!r}"
        )
    return driver_id
