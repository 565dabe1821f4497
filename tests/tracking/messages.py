"""Messages of clients, right and wrong."""

TOKEN = "header.payload.signature"


def start(**changes):
    payload = {"token": TOKEN, "command": "start"} | changes.pop("payload", {})
    return {"type": "authenticate", "payload": payload} | changes


def send(**changes):
    payload = {"token": TOKEN, "command": "send", "lat": "-1.4354", "lon": "0.9871"}
    payload |= changes.pop("payload", {})
    return {"type": "authenticate", "payload": payload} | changes


def send_text(lat, lon='"0"'):
    """A send with its location spelled as given."""
    return (
        f'{{"type":"authenticate","payload":{{"token":"{TOKEN}","command":"send",'
        f'"lat":{lat},"lon":{lon}}}}}'
    )


def without(message, key):
    rest = {k: v for k, v in message["payload"].items() if k != key}
    return message | {"payload": rest}
