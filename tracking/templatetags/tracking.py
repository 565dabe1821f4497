"""`{% load tracking %}`: the maps, for any page of the host project.

Each adds a `<div>`, its style sheets and one module script, and may stand on a page several times.
To change what it looks like, override its template or parts of it:
`{% extends "tracking/driver_map.html" %}{% block panel %}…{% endblock %}`.
"""

from typing import Any

from django import template
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model
from django.template import TemplateSyntaxError

from tracking.ids import DriverId
from tracking.pages.widgets import log_in_url, reverse_or_empty, widget_context
from tracking.people import USER_IDS

register = template.Library()


@register.inclusion_tag("tracking/driver_map.html")
def driver_map(driver_id: DriverId | str | AbstractBaseUser, name: str = "") -> dict[str, Any]:
    """One driver on a map, as far as the user who is logged in may watch that driver.

    `driver_id` is the driver's user or that user's id: where drivers have a profile, give the
    profile's user.
    `name` is shown to whoever sees the page; without one the map says "Driver 19".
    """
    return _context("driver-map", driver_id=_driver_id("driver_map", driver_id), driver_name=name)


@register.inclusion_tag("tracking/fleet_map.html")
def fleet_map() -> dict[str, Any]:
    """Everybody on one map, for staff."""
    return _context(
        "fleet-map",
        search_url=reverse_or_empty("tracking:search"),
        row_url=reverse_or_empty("admin:tracking_driverlocation_change", 0),
    )


@register.inclusion_tag("tracking/share_location.html")
def share_location(driver_id: DriverId | str | AbstractBaseUser) -> dict[str, Any]:
    """A button that shares where this phone is, for that driver and nobody else."""
    return _context("share", driver_id=_driver_id("share_location", driver_id))


def _context(widget: str, **data: Any) -> dict[str, Any]:
    return widget_context(widget, log_in_url=log_in_url(), **data)


def _driver_id(tag: str, value: Any) -> DriverId:
    """Return the id of a driver given by id or as a user. An empty id would never be found."""
    if isinstance(value, get_user_model()):
        value = value.pk
    elif isinstance(value, Model):
        # Its own id may be that of another user.
        raise TemplateSyntaxError(
            f"{tag} takes a driver's id or the driver as a user, not {value!r}: give it the "
            "profile's user"
        )
    lowest: Any = USER_IDS.lowest
    # An integer larger than any that is stored is nobody's, and the socket refuses it.
    is_id = type(value) is type(lowest) and value > lowest
    driver_id = value if is_id else USER_IDS.parse(str(value))
    if driver_id is None:
        raise TemplateSyntaxError(
            f"{tag} takes a driver's id, a {USER_IDS.description}, or a user, not {value!r}"
        )
    return driver_id
