"""What the widgets of the pages are made of: their modules, their texts, their settings."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.shortcuts import resolve_url
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from tracking.conf import conf

# By the name under which a module reaches its widget. `widgets.js` tells why by address.
CLIENT: Final = {
    "client": "tracking-client.js",
    "session": "session.js",
    "words": "words.js",
}
MAP: Final = {
    "leaflet": "vendor/leaflet/leaflet.js",
    "map": "map.js",
    "mapWidget": "map-widget.js",
    "baseLayer": "base-layer.js",
    "town": "town.js",
    "labels": "labels.js",
    "mercator": "mercator.js",
}
MODULES: Final[dict[str, Mapping[str, str]]] = {
    "driver-map": CLIENT
    | MAP
    | {"motion": "motion.js", "car": "car.js", "widget": "driver-map.js"},
    "fleet-map": CLIENT
    | MAP
    | {
        "fleet": "fleet.js",
        "stamps": "stamps.js",
        "fleetLayer": "fleet-layer.js",
        "fleetDetails": "fleet-details.js",
        "widget": "fleet-map.js",
    },
    "share": CLIENT | {"widget": "share.js"},
}

AGES: Final = {
    "just_now": _("just now"),
    "seconds_ago": _("%(count)s s ago"),
    "minutes_ago": _("%(count)s min ago"),
    "hours_ago": _("%(count)s h ago"),
    "days_ago": _("%(count)s d ago"),
}
CONNECTION: Final = {
    "connecting": _("Connecting…"),
    "reconnecting": _("Connection lost. Trying again…"),
    "you_are_offline": _("You are offline"),
    "try_now": _("Try now"),
    "try_again": _("Try again"),
    "connected_again": _("Connected again"),
    "closed": _("Not connected."),
    "closed_4401": _("Your log-in has ended or changed. Reload the page, or log in again."),
    "closed_4403": _("You may not see this driver."),
    "error_forbidden": _("You may not see this driver."),
    "error_invalid_user_id": _("There is no such driver."),
    "error_token_invalid": _("Your log-in is not valid any more. Log in again."),
    "error_token_expired": _("Your log-in has ended. Log in again."),
}
TEXTS: Final[dict[str, dict[str, str]]] = {
    "driver-map": {
        **AGES,
        **CONNECTION,
        "map": _("Map. Arrow keys move it, plus and minus zoom."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "natural_earth": _("Coastlines: Natural Earth"),
        "no_base_layer": _("The map could not be loaded"),
        "live": _("Live"),
        "updated": _("Updated %(ago)s"),
        "last_seen": _("Last seen %(ago)s"),
        "phone_online": _("Here %(ago)s, phone online"),
        "not_connected": _("Waiting for the connection"),
        "weak_signal": _("Waiting for a signal"),
        "offline": _("Offline"),
        "loading": _("Looking for the driver"),
        "never_seen": _("No location yet"),
        "will_appear": _("The driver appears here once on the road"),
        "kmh": _("%(count)s km/h"),
        "metres": _("± %(count)s m"),
    },
    "fleet-map": {
        **AGES,
        **CONNECTION,
        "map": _("Map of all drivers. Arrow keys move it, plus and minus zoom."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "natural_earth": _("Coastlines: Natural Earth"),
        "no_base_layer": _("The map could not be loaded"),
        "closed_4403": _("You may not see the fleet."),
        "error_forbidden": _("You may not see the fleet."),
        "live": _("live"),
        "stale": _("stale"),
        "offline": _("offline"),
        "unconnected": _("not connected"),
        "phone_online": _("Here %(ago)s, phone online"),
        "driver": _("Driver %(id)s"),
        "open_row": _("Open the record"),
        "close": _("Close"),
        "found": _("%(count)s found"),
        "found_more": _("%(shown)s of %(count)s found. Type more to find fewer."),
        "found_nobody": _("No driver with a location matches."),
        "search_unreachable": _("The search failed: the server can't be reached."),
        "search_logged_out": _("Your log-in has ended. Log in again to search."),
        "search_failed": _("The server could not search. Try again in a moment."),
        "nobody_here": _("No driver in this part of the map."),
        "nobody_yet": _("No driver has a location yet."),
        "nobody_further": _("No further driver in this part of the map."),
        "kmh": _("%(count)s km/h"),
    },
    "share": {
        **AGES,
        **CONNECTION,
        "error": _("Something went wrong. It is tried again by itself."),
        "closed_4403": _("Only drivers share their location."),
        "error_forbidden": _("Only drivers share their location."),
        "start": _("Start sharing"),
        "stop": _("Stop sharing"),
        "stopped": _("Not sharing"),
        "locating": _("Finding your position…"),
        "starting": _("Connected, sending…"),
        "sharing": _("Sharing your location"),
        "last_position": _("Last position %(ago)s"),
        "position_is_old": _("Your position is not up to date"),
        "offline_keeps": _("No connection: sending later"),
        "not_sharing_properly": _("Something is in the way"),
        "nothing_yet": _("Nothing yet"),
        "error_permission_denied": _(
            "This browser may not know where you are. Allow the location for this page in the "
            "browser's settings (the symbol beside the address), then start again."
        ),
        "error_position_unavailable": _(
            "The phone cannot tell where it is. Switch its location service on, and go outside "
            "or to a window."
        ),
        "error_no_geolocation": _("This browser cannot tell where it is. Try another one."),
        "error_insecure_origin": _("Open this page over https to share your location."),
        "error_rate_limited": _("Too much was sent at once. What waits is sent in a moment."),
    },
}


def widget_context(widget: str, **data: Any) -> dict[str, Any]:
    """The template context of a widget: one of MODULES, with `data` added."""
    modules = {name: static(f"tracking/{path}") for name, path in MODULES[widget].items()}
    texts = {name: gettext(text) for name, text in TEXTS[widget].items()}
    return {
        "widget": widget,
        "modules": json.dumps(modules),
        "texts": json.dumps(texts, ensure_ascii=False),
        "root": get_script_prefix(),
        "token_url": resolve_url(conf.TOKEN_URL),
        "tile_url": conf.TILE_URL,
        "tile_attribution": conf.TILE_ATTRIBUTION,
        "stale_after": conf.STALE_AFTER,
        "offline_after": conf.OFFLINE_AFTER,
        **data,
    }


def reverse_if_there(name: str, *arguments: Any) -> str:
    """The address of a page that a host project may have left out; empty without it."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
