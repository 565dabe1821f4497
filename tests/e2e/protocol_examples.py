"""Examples of `docs/protocol.md`, converted for tests to send and compare."""

import json
import re

from .frames import ago
from .stack import person

FLEET = 6  # the section about the other route


def kind_of(example):
    """Return the kind: of a client's message its command, of a server's frame its keys."""
    if "type" in example.value:
        payload = example.value["payload"]
        if payload["command"] == "start" and "lat" in payload:
            return "start_nearby"
        return payload["command"]
    if list(example.value) == ["state"]:
        return "acknowledged_state"
    keys = ("error", "trip", "cars", "token_expires_in", "snapshot", "update")
    keys += ("recorded_at", "status")
    return next((key for key in keys if key in example.value), "location")


def value_of(example, driver_id):
    """Return the example's content, with the id of the test's own driver."""
    return json.loads(example.text, object_hook=lambda keys: as_of(driver_id, keys))


def as_of(driver_id, keys):
    if "userId" not in keys:  # of a place, for instance
        return keys
    own = person(driver_id)
    return {key: {"userId": own["id"], "name": own["name"]}.get(key, keys[key]) for key in keys}


def with_token(message, token):
    """Return the client's message with this token."""
    payload = message["payload"]
    replaced = {key: token if value == "<JWT>" else value for key, value in payload.items()}
    return json.dumps({**message, "payload": replaced})


def fix_in(frame):
    """Return a driver's message, measured now, that makes watchers receive this frame."""
    names = {"location_lat": "lat", "location_lon": "lon"}
    wanted = (*names, "recorded_at", "heading", "speed", "accuracy")
    fix = {names.get(key, key): value for key, value in frame.items() if key in wanted}
    return fix | {key: ago(0.1) for key in fix if key == "recorded_at"}


def on_the_clock_of(example, text):
    """Return the frame with the example's times, if its own have the same form."""
    frame = json.loads(text)
    for name in ("recorded_at", "received_at", "heard_at"):
        if re.sub("[0-9]", "0", frame[name]) == "0000-00-00T00:00:00.000Z":
            frame[name] = example[name]
    return json.dumps(frame)
