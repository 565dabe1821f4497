"""The widgets of the pages: their JavaScript modules, texts and settings."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.shortcuts import resolve_url
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from tracking.conf import conf

# Module files by the name under which a widget receives them. `widgets.js` explains why they are
# passed by address.
WORDS: Final = {"words": "words.js"}
CLIENT: Final = WORDS | {"client": "tracking-client.js", "session": "session.js"}
MAP: Final = {
    "leaflet": "vendor/leaflet/leaflet.js",
    "map": "map.js",
    "mapWidget": "map-widget.js",
    "baseLayer": "base-layer.js",
    "canvasTiles": "canvas-tiles.js",
    "coastlines": "coastlines.js",
    "graticule": "graticule.js",
    "mercator": "mercator.js",
}
MODULES: Final[dict[str, Mapping[str, str]]] = {
    "driver-map": CLIENT
    | MAP
    | {
        "motion": "motion.js",
        "car": "car.js",
        "freshness": "freshness.js",
        "widget": "driver-map.js",
    },
    "trip-map": CLIENT
    | MAP
    | {
        "motion": "motion.js",
        "car": "car.js",
        "freshness": "freshness.js",
        "polyline": "polyline.js",
        "routeLine": "route-line.js",
        "tripEta": "trip-eta.js",
        "tripRoute": "trip-route.js",
        "tripWords": "trip-words.js",
        "tripPlaces": "trip-places.js",
        "tripView": "trip-view.js",
        "widget": "trip-map.js",
    },
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
    # Without the client: the page has the data, or they come over HTTP.
    "driver-day": WORDS
    | MAP
    | {
        "car": "car.js",
        "zone": "history-zone.js",
        "load": "history-load.js",
        "day": "history-day.js",
        "line": "history-line.js",
        "track": "history-track.js",
        "player": "history-player.js",
        "widget": "history-map.js",
    },
    "fleet-replay": WORDS
    | MAP
    | {
        "zone": "history-zone.js",
        "day": "history-day.js",
        "player": "history-player.js",
        "past": "history-past.js",
        "layer": "history-fleet-layer.js",
        "widget": "history-fleet.js",
    },
    "zone-map": WORDS
    | MAP
    | {
        "shape": "zone-shape.js",
        "drawing": "zone-drawing.js",
        "widget": "zone-map.js",
    },
}

AGES: Final = {
    "just_now": _("just now"),
    "seconds_ago": _("%(count)s s ago"),
    "minutes_ago": _("%(count)s min ago"),
    "hours_ago": _("%(count)s h ago"),
    "days_ago": _("%(count)s d ago"),
}
BASE_LAYER: Final = {
    "natural_earth": _("Coastlines: Natural Earth"),
    "no_base_layer": _("Couldn't load the map"),
    "degrees": _("%(count)s°"),
    "degrees_north": _("%(count)s° N"),
    "degrees_south": _("%(count)s° S"),
    "degrees_east": _("%(count)s° E"),
    "degrees_west": _("%(count)s° W"),
}
CONNECTION: Final = {
    "connecting": _("Connecting…"),
    "reconnecting": _("Connection lost. Reconnecting…"),
    "you_are_offline": _("You're offline"),
    "try_now": _("Try now"),
    "try_again": _("Try again"),
    "connected_again": _("Back online"),
    "closed": _("Not connected"),
    "closed_4401": _("Your session has ended. Reload the page or log in again."),
    "closed_4403": _("You don't have access to this driver."),
    "error_forbidden": _("You don't have access to this driver."),
    "error_invalid_user_id": _("This driver doesn't exist."),
    "error_token_invalid": _("Your session has ended. Log in again."),
    "error_token_expired": _("Your session has ended. Log in again."),
}
REPLAY: Final = {
    "play": _("Play"),
    "pause": _("Pause"),
    "playing": _("Playing at %(speed)s"),
    "paused": _("Paused at %(time)s"),
    "times": _("%(count)s×"),
    "future_day": _("This day has not begun yet"),
    "load_forbidden": _("You don't have access to this."),
    "load_busy": _("Too many requests. Try again in a minute."),
    "load_offline": _("Couldn't load: the server can't be reached."),
    "load_failed": _("Something went wrong. Try again in a moment."),
}
TEXTS: Final[dict[str, dict[str, str]]] = {
    "driver-map": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        "map": _("Map. Move with the arrow keys, zoom with plus and minus."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "live": _("Live"),
        "updated": _("Updated %(ago)s"),
        "last_seen": _("Last seen %(ago)s"),
        "phone_online": _("Here %(ago)s, phone online"),
        "not_connected": _("Waiting for a connection"),
        "weak_signal": _("Waiting for a signal"),
        "offline": _("Offline"),
        "loading": _("Finding the driver…"),
        "never_seen": _("No location yet"),
        "will_appear": _("You'll see the driver here once they're on the road"),
        "kmh": _("%(count)s km/h"),
        "metres": _("± %(count)s m"),
    },
    "trip-map": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        "map": _("Map of the trip. Move with the arrow keys, zoom with plus and minus."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "closed_4403": _("You don't have access to this trip."),
        "error_forbidden": _("You don't have access to this trip."),
        "error_invalid_trip_id": _("This trip doesn't exist."),
        "looking": _("Looking for a driver…"),
        "looking_hint": _("This usually takes a moment"),
        "assigned": _("%(name)s is your driver"),
        "assigned_unnamed": _("You have a driver"),
        "on_the_way": _("%(name)s is on the way"),
        "on_the_way_unnamed": _("Your driver is on the way"),
        "here": _("%(name)s is here"),
        "here_unnamed": _("Your driver is here"),
        "arrives_in": _("Arrives in %(count)s min"),
        "arrives_in_about": _("Arrives in about %(count)s min"),
        "arrives_at": _("Arrives at %(time)s"),
        "arrives_at_about": _("Arrives at about %(time)s"),
        "arriving_now": _("Arriving now"),
        "to_place": _("On the way to %(place)s"),
        "to_stop": _("On the way to your next stop"),
        "to_destination": _("On the way to your destination"),
        "at_place": _("At %(place)s"),
        "at_stop": _("At your stop"),
        "complete": _("You've arrived. Thanks for riding!"),
        "canceled": _("This trip was canceled."),
        "pickup": _("Pickup"),
        "stop": _("Stop"),
        "stops": _("%(count)s stops"),
        "dropoff": _("Destination"),
        "car_of": _("%(name)s's car"),
        "car": _("Your driver's car"),
        "last_seen": _("Last seen %(ago)s"),
        "phone_online": _("Here %(ago)s, phone online"),
        "offline": _("Offline. Last seen %(ago)s"),
        "will_appear": _("You'll see the car here once it's on the road"),
    },
    "fleet-map": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        "map": _("Map of all drivers. Move with the arrow keys, zoom with plus and minus."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "closed_4403": _("You don't have access to the live map."),
        "error_forbidden": _("You don't have access to the live map."),
        "live": _("live"),
        "stale": _("stale"),
        "offline": _("offline"),
        "unconnected": _("not connected"),
        "phone_online": _("Here %(ago)s, phone online"),
        "driver": _("Driver %(id)s"),
        "state_available": _("Free"),
        "state_reserved": _("Reserved"),
        "state_reserved_for": _("Reserved for trip %(trip)s"),
        "state_on_trip": _("On a trip"),
        "state_non_operational": _("Off duty"),
        "open_trip": _("Open trip %(trip)s"),
        "open_row": _("Open in the admin"),
        "close": _("Close"),
        "found": _("%(count)s found"),
        "found_more": _("Showing %(shown)s of %(count)s. Keep typing to narrow the list."),
        "found_nobody": _("No driver matches."),
        "search_unreachable": _("The search failed: the server can't be reached."),
        "search_logged_out": _("Your session has ended. Log in again to search."),
        "search_failed": _("The search failed. Try again in a moment."),
        "nobody_here": _("No drivers in this part of the map."),
        "nobody_yet": _("No drivers have shared a location yet."),
        "nobody_further": _("No more drivers in this part of the map."),
        "kmh": _("%(count)s km/h"),
    },
    "share": {
        **AGES,
        **CONNECTION,
        "error": _("Something went wrong. Retrying…"),
        "closed_4403": _("Only drivers can share their location."),
        "error_forbidden": _("Only drivers can share their location."),
        "start": _("Start sharing"),
        "stop": _("Stop sharing"),
        "stopped": _("Not sharing"),
        "go_online": _("Go online"),
        "go_offline": _("Go offline"),
        "off_duty": _("You're off duty. Go online to share your location."),
        "locating": _("Finding your position…"),
        "starting": _("Connected, sending…"),
        "sharing": _("Sharing your location"),
        "last_position": _("Last position %(ago)s"),
        "position_is_old": _("Your position is out of date"),
        "offline_keeps": _("No connection. Sending later"),
        "not_sharing_properly": _("There's a problem"),
        "nothing_yet": _("Nothing yet"),
        "error_permission_denied": _(
            "Allow this page to use your location in the browser's settings (the icon next to the "
            "address), then start again."
        ),
        "error_position_unavailable": _(
            "Your phone can't find its position. Turn on location services, and go outside or near "
            "a window."
        ),
        "error_no_geolocation": _("This browser can't share your location. Try another one."),
        "error_insecure_origin": _("Open this page over HTTPS to share your location."),
        "error_state_conflict": _("Finish your trip first, then go offline."),
        "error_rate_limited": _("Sending too fast. The rest will be sent in a moment."),
    },
    "driver-day": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        "map": _("Map of the day. Move with the arrow keys, zoom with plus and minus."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "moving": _("Moving"),
        "stopped": _("Stop %(number)s, %(since)s–%(until)s"),
        "in_gap": _("No fixes, %(since)s–%(until)s"),
        "not_yet": _("Nothing yet"),
        "no_more": _("Nothing later"),
        "measured": _("Measured at %(time)s"),
        "first_fix": _("First fix at %(time)s"),
        "last_fix": _("Last fix at %(time)s"),
        "start": _("Start"),
        "end": _("End"),
        "start_sign": _("Start, %(time)s"),
        "end_sign": _("End, %(time)s"),
        "stop_sign": _("Stop %(number)s, %(time)s"),
        "jump": _("too far to drive in the time"),
        "mock": _("simulated location"),
        "inaccurate": _("inaccurate"),
        "kmh": _("%(count)s km/h"),
        "metres": _("± %(count)s m"),
        "percent": _("%(count)s %"),
        "charging": _("%(count)s %, charging"),
        "heading": _("%(point)s, %(count)s°"),
        "n": _("N"),
        "ne": _("NE"),
        "e": _("E"),
        "se": _("SE"),
        "s": _("S"),
        "sw": _("SW"),
        "w": _("W"),
        "nw": _("NW"),
        "utc": _("UTC%(offset)s"),
        "copy": _("Copy link"),
        "copied": _("Link copied"),
        **REPLAY,
        "following": _("The map follows the car"),
        "not_following": _("The map stays where it is"),
        "skipped_gap": _("Skipped a gap: no fixes, %(since)s–%(until)s"),
        "speed_below": _("Below %(to)s km/h"),
        "speed_between": _("%(from)s–%(to)s km/h"),
        "speed_above": _("%(from)s km/h or more"),
        "summary": _("%(distance)s km · Stops: %(stops)s · Gaps: %(gaps)s"),
        "show_flagged": _("Show implausible fixes (%(count)s)"),
        "own_zone": _("Show in your time zone, %(zone)s"),
        "loading": _("Loading the track…"),
        "loading_fixes": _("Loading the track… %(count)s fixes"),
        "empty_day": _("No fixes on this day"),
        "empty_trip": _("No fixes of this trip are kept"),
    },
    "fleet-replay": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        **REPLAY,
        "map": _("Map of all drivers. Move with the arrow keys, zoom with plus and minus."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "driver": _("Driver %(id)s"),
        "drivers": _("Drivers: %(count)s"),
        "none": _("No driver had sent anything for a day"),
        "recent": _("%(recent)s recent, %(older)s older"),
        "all_recent": _("All recent"),
        "loading": _("Loading…"),
        "measured_ago": _("Measured at %(time)s, %(ago)s"),
        "kmh": _("%(count)s km/h"),
        "metres": _("± %(count)s m"),
        "utc": _("UTC%(offset)s"),
        "end": _("That's all until now"),
    },
    "zone-map": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        "map": _("Map of the zone. Move with the arrow keys, zoom with plus and minus."),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "corner": _("Corner %(number)s. Arrow keys move it, Delete removes it."),
        "between": _("Add a corner after corner %(number)s"),
        "centre": _("Centre. Arrow keys move it."),
        "edge": _("Radius, %(count)s m. Arrow keys change it."),
        "add_corner": _("Add corner here"),
        "set_centre": _("Put centre here"),
        "no_circle": _("Tap the map where the centre is."),
        "circle": _("Drag the centre or the edge. Radius %(count)s m."),
        "no_corners": _("Tap the map where the first corner is."),
        "few_corners": _("Tap the next corner. A polygon has at least 3."),
        "corners": _("%(count)s corners, %(area)s. Drag corners to move them."),
        "square_metres": _("%(count)s m²"),
        "square_kilometres": _("%(count)s km²"),
        "crosses": _("The border crosses itself. Move a corner."),
        "unreadable": _("The corners can't be read. Check the text below."),
    },
}


def widget_context(widget: str, **data: Any) -> dict[str, Any]:
    """Return the template context of `widget`, a key of MODULES, updated with `data`."""
    modules = {name: static(f"tracking/{path}") for name, path in MODULES[widget].items()}
    texts = {name: gettext(text) for name, text in TEXTS[widget].items()}
    return {
        "widget": widget,
        "modules": json.dumps(modules),
        "texts": json.dumps(texts, ensure_ascii=False),
        "root": conf.SOCKET_URL or get_script_prefix(),
        "token_url": resolve_url(conf.TOKEN_URL),
        "tile_url": conf.TILE_URL,
        "tile_attribution": conf.TILE_ATTRIBUTION,
        "base_layer": static(conf.BASE_LAYER) if conf.BASE_LAYER else "",
        "stale_after": conf.STALE_AFTER,
        "offline_after": conf.OFFLINE_AFTER,
        **data,
    }


def log_in_url() -> str:
    """Return the address of the project's log-in page, or "" if LOGIN_URL names none."""
    try:
        return resolve_url(settings.LOGIN_URL)
    except (NoReverseMatch, TypeError):
        return ""


def reverse_or_empty(name: str, *arguments: Any) -> str:
    """Return the path of a URL pattern, or "" if the host project does not include it."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
