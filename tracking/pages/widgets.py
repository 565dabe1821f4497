"""The widgets of the pages: their JavaScript modules, texts and settings."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.shortcuts import resolve_url
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from tracking.conf import conf

# Module files by the name under which a widget receives them. `widgets.js` explains why they are
# passed by address.
WORDS: Final = {"words": "words.js"}
CLIENT: Final = WORDS | {"client": "tracking-client.js", "session": "session.js"}
# They draw a map without tiles.
BASE_LAYER_MODULES: Final = {
    "baseLayer": "base-layer.js",
    "canvasTiles": "canvas-tiles.js",
    "coastlines": "coastlines.js",
    "graticule": "graticule.js",
    "mercator": "mercator.js",
}
MAP: Final = {
    "leaflet": "vendor/leaflet/leaflet.js",
    "map": "map.js",
    "mapWidget": "map-widget.js",
} | BASE_LAYER_MODULES
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
        "tripDriver": "trip-driver.js",
        "tripLateness": "trip-lateness.js",
        "tripSheet": "trip-sheet.js",
        "tripCars": "trip-cars.js",
        "tripSummary": "trip-summary.js",
        "tripShare": "trip-share.js",
        "memory": "trip-memory.js",
        "widget": "trip-map.js",
    },
    "fleet-map": CLIENT
    | MAP
    | {
        "fleet": "fleet.js",
        "stamps": "stamps.js",
        "canvas": "canvas-layer.js",
        "fleetLayer": "fleet-layer.js",
        "fleetStage": "fleet-stage.js",
        "fleetDetails": "fleet-details.js",
        "widget": "fleet-map.js",
    },
    "dispatch-console": CLIENT
    | MAP
    | {
        "fleet": "fleet.js",
        "stamps": "stamps.js",
        "canvas": "canvas-layer.js",
        "fleetLayer": "fleet-layer.js",
        "fleetStage": "fleet-stage.js",
        "consoleWords": "console-words.js",
        "consoleApi": "console-api.js",
        "consoleList": "console-list.js",
        "consoleTabs": "console-tabs.js",
        "consolePins": "console-pins.js",
        "consolePanel": "console-panel.js",
        "consoleDrivers": "console-drivers.js",
        "consoleTrips": "console-trips.js",
        "consoleAlerts": "console-alerts.js",
        "widget": "console.js",
    },
    "share": CLIENT
    | {
        "memory": "trip-memory.js",
        "tab": "share-tab.js",
        "trips": "share-trip.js",
        "steps": "share-steps.js",
        "card": "share-card.js",
        "widget": "share.js",
    },
    # Without the client: the page has what this device remembers.
    "offline": WORDS
    | {"memory": "trip-memory.js", "trips": "share-trip.js", "widget": "offline.js"},
    # Without the client: the page has the data, or they come over HTTP.
    "driver-day": WORDS
    | MAP
    | {
        "car": "car.js",
        "zone": "history-zone.js",
        "load": "history-load.js",
        "day": "history-day.js",
        "canvas": "canvas-layer.js",
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
        "canvas": "canvas-layer.js",
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

# A text, or its forms for one and for other numbers, which `words.plural` chooses from.
Text: TypeAlias = str | tuple[str, str]
# A number of each of CLDR's plural categories, as no language of Django's has it differently.
CATEGORIES: Final = {"zero": 0, "one": 1, "two": 2, "few": 3, "many": 11, "other": 100}


def ngettext_noop(one: str, other: str) -> tuple[str, str]:
    """Mark the forms of a text for translation, and return them."""
    return one, other


# The rest of an age is Intl's.
AGES: Final = {"just_now": _("just now")}
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
TEXTS: Final[dict[str, dict[str, Text]]] = {
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
        "arrives_in": _("Arriving in %(count)s min"),
        "arrives_in_about": _("Arriving in about %(count)s min"),
        "arrives_at": _("Arriving at %(time)s"),
        "arrives_at_about": _("Arriving at about %(time)s"),
        "arriving_now": _("Arriving now"),
        "to_place": _("On the way to %(place)s"),
        "to_stop": _("On the way to your next stop"),
        "to_destination": _("On the way to your destination"),
        "at_place": _("At %(place)s"),
        "at_stop": _("At your stop"),
        "complete": _("You've arrived. Thanks for riding!"),
        "canceled": _("This trip was canceled."),
        "meet_at": _("Meet at %(place)s"),
        "meet": _("Meet at the pickup"),
        "waiting": _("Waiting for %(count)s min"),
        "late": _("Running late. Now %(time)s"),
        "driver_changed": _("Your driver has changed"),
        "looking_again": _("Finding you another driver"),
        "your_driver": _("Your driver"),
        "plate": _("Number plate %(plate)s"),
        "reached": _("Reached"),
        "minutes": _("%(count)s min"),
        "share_title": _("Follow my trip"),
        "share_ready": _("Your link is ready."),
        "share_copied": _("Link copied. Paste it into a message."),
        "share_select": _("Copy the link and send it in a message."),
        "share_failed": _("Couldn't make a link. Try again."),
        "share_too_many": _("That's the most links for one trip. Stop one to share another."),
        "share_over": _("This trip can't be shared any more."),
        "share_forbidden": _("You can't share this trip."),
        "share_logged_out": _("Your session has ended. Log in again to share."),
        "share_unread": _("Couldn't load the links. Try again in a moment."),
        "share_of": _("Link from %(time)s"),
        "share_opened": _("Opened at %(time)s"),
        "share_unopened": _("Not opened yet"),
        "share_stop": _("Stop sharing"),
        "share_stop_of": _("Stop sharing the link from %(time)s"),
        "share_stopped": _("Sharing stopped. The link doesn't work any more."),
        "share_not_stopped": _("Couldn't stop sharing. Try again."),
        "pickup": _("Pickup"),
        "stop": _("Stop"),
        "stops": ngettext_noop("%(count)s stop", "%(count)s stops"),
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
    },
    "dispatch-console": {
        **AGES,
        **BASE_LAYER,
        **CONNECTION,
        "map": _(
            "Map of all drivers. Move with the arrow keys, zoom with plus and minus. The lists "
            "have the same drivers."
        ),
        "zoom_in": _("Zoom in"),
        "zoom_out": _("Zoom out"),
        "closed_4403": _("You don't have access to the live map."),
        "error_forbidden": _("You don't have access to the live map."),
        "driver": _("Driver %(id)s"),
        "trip": _("Trip %(id)s"),
        "loading": _("Loading…"),
        "under_a_minute": _("under 1 min"),
        "minutes_about": _("about %(count)s min"),
        "about_metres": _("± %(count)s m"),
        "percent": _("%(count)s %"),
        "charging": _("%(count)s %, charging"),
        "status_live": _("Live"),
        "status_stale": _("Stale"),
        "status_offline": _("Offline"),
        "status_unconnected": _("Not connected"),
        "status_unknown": _("No location yet"),
        "state_none": _("No state"),
        "state_available": _("Free"),
        "state_reserved": _("Reserved"),
        "state_on_trip": _("On a trip"),
        "state_non_operational": _("Off duty"),
        "state_available_for": _("Free for %(duration)s"),
        "state_reserved_for": _("Reserved for %(duration)s"),
        "state_on_trip_for": _("On a trip for %(duration)s"),
        "state_non_operational_for": _("Off duty for %(duration)s"),
        "trip_new": _("Waiting"),
        "trip_assigned": _("Assigned"),
        "trip_enroute_to_pickup": _("To the pickup"),
        "trip_arrived_at_pickup": _("At the pickup"),
        "trip_enroute_to_intermediate_destination": _("To a stop"),
        "trip_arrived_at_intermediate_destination": _("At a stop"),
        "trip_enroute_to_dropoff": _("To the destination"),
        "trip_complete": _("Complete"),
        "trip_canceled": _("Canceled"),
        "waiting_for": _("Waiting %(duration)s"),
        "arrives_in_minutes": _("arrives in %(minutes)s"),
        "nobody": _("No driver yet"),
        "drivers_found": _("Drivers: %(count)s"),
        "no_drivers": _("No drivers yet."),
        "no_match": _("No driver matches."),
        "nobody_here": _("No drivers in this part of the map."),
        "nobody_yet": _("No drivers have shared a location yet."),
        "trips_waiting": _("Without a driver: %(count)s"),
        "new_trips": _("New trips without a driver: %(count)s"),
        "alerts_open": _("To acknowledge: %(count)s"),
        "alert_silent": _("Silent on a trip"),
        "alert_long_stop": _("Long stop"),
        "alert_off_route": _("Off the route"),
        "alert_silent_of": _("%(name)s is silent on trip %(trip)s."),
        "alert_long_stop_of": _("%(name)s has stopped for long on trip %(trip)s."),
        "alert_off_route_of": _("%(name)s is off the route on trip %(trip)s."),
        "for_duration": _("for %(duration)s"),
        "acknowledge": _("Acknowledge"),
        "acknowledge_of": _("Acknowledge: %(alert)s"),
        "acknowledged": _("Acknowledged"),
        "done": _("Acknowledged"),
        "done_by": _("Acknowledged by %(name)s"),
        "status": _("Location"),
        "seen": _("Last fix"),
        "phone_online": _("Here %(ago)s, phone online"),
        "vehicle_type": _("Vehicle type"),
        "vehicle": _("Vehicle"),
        "battery": _("Battery"),
        "zones": _("Zones"),
        "driver_label": _("Driver"),
        "arrives_in": _("Arrives in"),
        "created": _("Requested"),
        "assigned_at": _("Assigned"),
        "show_trip": _("Show trip %(trip)s"),
        "show_driver": _("Show %(name)s"),
        "open_page": _("Open driver's page"),
        "replay": _("Replay the day"),
        "trips_today": _("Trips today"),
        "no_trips_today": _("No trips today."),
        "timeline": _("Timeline"),
        "no_timeline": _("Nothing yet today."),
        "fixes": _("Last fixes"),
        "no_fixes": _("No fixes are kept."),
        "fix_time": _("Time"),
        "fix_speed": _("Speed"),
        "fix_accuracy": _("Accuracy"),
        "from_until": _("%(from)s–%(until)s"),
        "raised_silent": _("Alert: silent on a trip"),
        "raised_long_stop": _("Alert: long stop"),
        "raised_off_route": _("Alert: off the route"),
        "acknowledged_silent": _("Acknowledged: silent on a trip"),
        "acknowledged_long_stop": _("Acknowledged: long stop"),
        "acknowledged_off_route": _("Acknowledged: off the route"),
        "ended_silent": _("Sends again"),
        "ended_long_stop": _("Moves again"),
        "ended_off_route": _("Back on the route"),
        "zone_entered": _("Entered %(zone)s"),
        "zone_exited": _("Left %(zone)s"),
        "zone_dwelled": _("Stays in %(zone)s"),
        "waypoint_arriving": _("Almost at %(place)s"),
        "waypoint_arrived": _("Arrived at %(place)s"),
        "waypoint_departed": _("Left %(place)s"),
        "places": _("Places"),
        "no_places": _("This trip has no places."),
        "place_pickup": _("Pickup"),
        "place_stop": _("Stop"),
        "place_dropoff": _("Destination"),
        "nearest": _("Nearest free cars"),
        "nearest_hint": _("The first to arrive comes first. To assign a car, choose a trip first."),
        "for_trip": _("For trip %(trip)s. The first to arrive comes first."),
        "cars_found": _("Free cars: %(count)s"),
        "no_cars": _("No free car nearby."),
        "assign": _("Assign a driver"),
        "reassign": _("Reassign"),
        "assign_car": _("Assign"),
        "assign_name": _("Assign %(name)s"),
        "assigned": _("%(name)s has trip %(trip)s now."),
        "ask_reassign": _("Take trip %(trip)s from %(driver)s and give it to %(name)s?"),
        "ask_taken": _(
            "Somebody has just given trip %(trip)s to %(driver)s. Give it to %(name)s instead?"
        ),
        "reassign_yes": _("Reassign"),
        "keep": _("Keep %(driver)s"),
        "driver_taken": _("%(name)s already has trip %(trip)s. Choose another car."),
        "driver_unavailable": _("%(name)s isn't free any more. Choose another car."),
        "trip_is_over": _("This trip is over."),
        "problem_unreachable": _("The server can't be reached. Retrying…"),
        "problem_logged_out": _("Your session has ended. Reload the page or log in again."),
        "problem_not_allowed": _("You don't have the permission for this."),
        "problem_missing": _("This doesn't exist any more."),
        "problem_too_many": _("Too many requests. Retrying in a moment…"),
        "problem_other": _("Something went wrong. Retrying…"),
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
        "go_on_duty": _("Go on duty"),
        "go_off_duty": _("Go off duty"),
        "stay_on_duty": _("Stay on duty"),
        "going_off_duty": _("Going off duty…"),
        "off_duty": _("Off duty"),
        "on_duty": _("On duty"),
        "off_duty_hint": _("Go on duty to share your location and get trips."),
        "off_duty_elsewhere": _("Dispatch set you off duty. You can go on duty again."),
        "off_duty_later": _("You'll be off duty once you're back online."),
        "allow_hint": _("Tap Allow when your browser asks for your location."),
        "locating": _("Finding your position…"),
        "locating_hint": _("This can take a minute indoors. Go near a window."),
        "starting": _("Connected, sending…"),
        "sharing": _("Sharing your location"),
        "last_position": _("Last position %(ago)s"),
        "position_is_old": _("Your position is out of date"),
        "stale_hint": _("Your phone has no new position. Go outside, or near a window."),
        "offline_keeps": _("No connection. Sending later"),
        "not_sharing_properly": _("There's a problem"),
        "nothing_yet": _("Nothing yet"),
        "nothing_sent": _("Nothing sent yet"),
        "sent_ago": _("Sent %(ago)s"),
        "waiting_offline": _("Waiting: %(count)s. Sent once you're back online."),
        "was_hidden": _("Nothing was sent for %(time)s while this page was in the background."),
        "seconds": _("%(count)s s"),
        "minutes": _("%(count)s min"),
        "hours": _("%(count)s h"),
        "screen_may_sleep": _(
            "Your screen can turn off, which stops sending. Set a longer screen timeout in your "
            "phone's settings."
        ),
        "other_tab": _("Another tab of this browser is sharing your location."),
        "use_this_tab": _("Share in this tab"),
        "moved_to_other_tab": _("You now share in another tab."),
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
        "error_state_conflict": _("Finish your trip first, then go off duty."),
        "error_rate_limited": _("Sending too fast. The rest will be sent in a moment."),
        "new_trip": _("You have a new trip"),
        "new_trip_at": _("New trip: pickup at %(place)s"),
        "trip_complete": _("Trip complete"),
        "trip_canceled": _("Your trip was canceled."),
        "trip_gone": _("You don't have this trip any more."),
        "reference": _("Trip %(trip)s"),
        "kind_new": _("New trip. Pick up at"),
        "kind_enroute_to_pickup": _("Pick up at"),
        "kind_arrived_at_pickup": _("Waiting at the pickup"),
        "kind_enroute_to_intermediate_destination": _("Next stop"),
        "kind_arrived_at_intermediate_destination": _("Waiting at the stop"),
        "kind_enroute_to_dropoff": _("Drop off at"),
        "kind_complete": _("Trip complete"),
        "unnamed_pickup": _("The pickup"),
        "unnamed_stop": _("The stop"),
        "unnamed_dropoff": _("The destination"),
        "stop_number": _("Stop %(number)s"),
        "you_are_here": _("You're here"),
        "minutes_left": _("%(count)s min"),
        "straight": _("%(distance)s in a straight line"),
        "step_pickup": _("Drive to the pickup"),
        "step_arrived": _("I've arrived"),
        "step_start": _("Start trip"),
        "step_at_stop": _("Arrived at the stop"),
        "step_continue": _("Continue"),
        "step_next_stop": _("Continue to the next stop"),
        "step_dropoff": _("Continue to the destination"),
        "step_complete": _("Complete trip"),
        "step_saving": _("Saving…"),
        "step_delayed": _("Not saved yet. Trying again…"),
        "step_refused": _("Dispatch has changed this trip. Check it before you go on."),
    },
    "offline": {
        **AGES,
        **CONNECTION,
        "offline": _("You're offline"),
        "server_unreachable": _("Can't reach the server"),
        "last_updated": _("Last updated %(ago)s"),
        "waiting": _("Waiting: %(count)s. Sent once you're back online."),
        "car_seen": _("The car was last seen %(ago)s"),
        "pickup": _("Pickup"),
        "stop": _("Stop"),
        "dropoff": _("Destination"),
        "looking": _("Looking for a driver"),
        "new": _("%(name)s is your driver"),
        "new_unnamed": _("You have a driver"),
        "enroute_to_pickup": _("%(name)s was on the way"),
        "enroute_to_pickup_unnamed": _("Your driver was on the way"),
        "arrived_at_pickup": _("%(name)s is here"),
        "arrived_at_pickup_unnamed": _("Your driver is here"),
        "enroute_to_intermediate_destination": _("On the way to your next stop"),
        "arrived_at_intermediate_destination": _("At your stop"),
        "enroute_to_dropoff": _("On the way to your destination"),
        "complete": _("You've arrived. Thanks for riding!"),
        "canceled": _("This trip was canceled."),
        "driver_new": _("You have a new trip"),
        "driver_enroute_to_pickup": _("You were driving to the pickup"),
        "driver_arrived_at_pickup": _("You were waiting at the pickup"),
        "driver_enroute_to_intermediate_destination": _("You were driving to a stop"),
        "driver_arrived_at_intermediate_destination": _("You were waiting at a stop"),
        "driver_enroute_to_dropoff": _("You were driving to the destination"),
        "driver_complete": _("Trip complete"),
        "driver_canceled": _("Your trip was canceled."),
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
        "corners": ngettext_noop(
            "%(count)s corner, %(area)s. Drag corners to move them.",
            "%(count)s corners, %(area)s. Drag corners to move them.",
        ),
        "square_metres": _("%(count)s m²"),
        "square_kilometres": _("%(count)s km²"),
        "crosses": _("The border crosses itself. Move a corner."),
        "unreadable": _("The corners can't be read. Check the text below."),
    },
}

# What the widget of a trip says to those who have a link to it: they do not ride.
SHARED_TRIP_TEXTS: Final[dict[str, str]] = {
    "closed_4401": _("This trip has ended"),
    "closed_4403": _("This trip has ended"),
    "error_forbidden": _("This trip has ended"),
    "error_token_invalid": _("This trip has ended"),
    "error_token_expired": _("This trip has ended"),
    "looking": _("Waiting for a driver"),
    "looking_hint": _("You'll see the car here soon"),
    "assigned": _("%(name)s is the driver"),
    "assigned_unnamed": _("A driver is assigned"),
    "on_the_way": _("%(name)s is on the way to the pickup"),
    "on_the_way_unnamed": _("The driver is on the way to the pickup"),
    "here": _("%(name)s is at the pickup"),
    "here_unnamed": _("The driver is at the pickup"),
    "to_stop": _("On the way to the next stop"),
    "to_destination": _("On the way to the destination"),
    "at_stop": _("At a stop"),
    "complete": _("This trip has ended"),
    "canceled": _("This trip has ended"),
    "car": _("The driver's car"),
    "driver_changed": _("The driver has changed"),
    "looking_again": _("Waiting for another driver"),
    "your_driver": _("Driver"),
}


def shared_texts() -> dict[str, str]:
    """Return the texts of a shared trip's widget, in the language of the request."""
    texts = TEXTS["trip-map"] | SHARED_TRIP_TEXTS
    # Those who have a link cannot share: an old phone loads less.
    return translated({name: texts[name] for name in texts if not name.startswith("share_")})


def module_urls(widget: str) -> dict[str, str]:
    """Return the addresses of a widget's modules, without those that draw a map without tiles.

    The latter are left out where there are tiles: a page over a slow line has no use for them.
    """
    unused = BASE_LAYER_MODULES if conf.TILE_URL else {}
    files = {name: path for name, path in MODULES[widget].items() if name not in unused}
    return {name: static(f"tracking/{path}") for name, path in files.items()}


def widget_context(widget: str, **data: Any) -> dict[str, Any]:
    """Return the template context of `widget`, a key of MODULES, updated with `data`."""
    modules = {name: static(f"tracking/{path}") for name, path in MODULES[widget].items()}
    return {
        "widget": widget,
        "modules": json.dumps(modules),
        "texts": json.dumps(translated(TEXTS[widget]), ensure_ascii=False),
        "root": conf.SOCKET_URL or get_script_prefix(),
        # The stream over HTTP, "" if the host project does not include it.
        "http_url": "",
        "token_url": resolve_url(conf.TOKEN_URL),
        "tile_url": conf.TILE_URL,
        "tile_attribution": conf.TILE_ATTRIBUTION,
        "base_layer": static(conf.BASE_LAYER) if conf.BASE_LAYER else "",
        "stale_after": conf.STALE_AFTER,
        "offline_after": conf.OFFLINE_AFTER,
        **data,
    }


def translated(texts: Mapping[str, Text]) -> dict[str, str]:
    """Return the texts in the active language.

    A text with forms has a key for each category of plurals: "stops" has "stops_one", …,
    "stops_other". A form that equals the other one is left out.
    """
    found = {}
    for name, text in texts.items():
        if isinstance(text, str):
            found[name] = gettext(text)
            continue
        forms = {category: ngettext(*text, number) for category, number in CATEGORIES.items()}
        for category, form in forms.items():
            if category == "other" or form != forms["other"]:
                found[f"{name}_{category}"] = form
    return found


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
