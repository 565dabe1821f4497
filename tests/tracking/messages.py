"""Messages of clients, valid and invalid."""

from tracking.protocol import (
    decode_driver_message,
    decode_watcher_message,
    judge,
    oldest_first,
    to_fix,
)

from .fakes import NOON

TOKEN = "header.payload.signature"


# The keys of a details frame, in order.
DETAILS = [
    "location_lat",
    "location_lon",
    "userId",
    "recorded_at",
    "received_at",
    "heading",
    "speed",
    "accuracy",
    "heard_at",
    "clock_offset",
    "status",
]


def start(**changes):
    payload = {"token": TOKEN, "command": "start"} | changes.pop("payload", {})
    return {"type": "authenticate", "payload": payload} | changes


def send(**changes):
    payload = {"token": TOKEN, "command": "send", "lat": "-1.4354", "lon": "0.9871"}
    payload |= changes.pop("payload", {})
    return {"type": "authenticate", "payload": payload} | changes


def batch(*fixes, **changes):
    fixes = fixes or ({"lat": "-1.4354", "lon": "0.9871"},)
    payload = {"token": TOKEN, "command": "send_batch", "fixes": list(fixes)}
    payload |= changes.pop("payload", {})
    return {"type": "authenticate", "payload": payload} | changes


def send_text(lat, lon='"0"'):
    """Return the text of a `send` message with the location exactly as given."""
    return (
        f'{{"type":"authenticate","payload":{{"token":"{TOKEN}","command":"send",'
        f'"lat":{lat},"lon":{lon}}}}}'
    )


def without(message, key):
    rest = {k: v for k, v in message["payload"].items() if k != key}
    return message | {"payload": rest}


def decode_start(text):
    """Return the token of a watcher's message."""
    return decode_watcher_message(text).token


def decode_fix(text, now=NOON):
    """Return the fix of a driver's message that arrives at noon."""
    payload = decode_driver_message(text)
    good, _ = judge(getattr(payload, "fixes", [payload]))
    return to_fix(oldest_first(good)[-1], 19, now)


def decode_send(text):
    """Return token, latitude and longitude of a driver's message."""
    fix = decode_fix(text)
    return decode_driver_message(text).token, fix.latitude, fix.longitude
