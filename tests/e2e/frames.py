"""What tests of fixes and streams send, and how they read what comes."""

import json
from datetime import UTC, datetime, timedelta


def ago(seconds):
    """That time, as a phone writes it."""
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fix(lat, seconds_ago=None):
    """A fix on the prime meridian, as one of a batch."""
    measured = {} if seconds_ago is None else {"recorded_at": ago(seconds_ago)}
    return {"lat": lat, "lon": "0", **measured}


def location(lat, lon):
    """The frame, byte for byte."""
    return f'{{"location_lat": "{lat}", "location_lon": "{lon}"}}'


def shown(watcher):
    """The latitudes that a watcher has seen, in order."""
    frames = map(json.loads, watcher.frames)
    return [frame["location_lat"] for frame in frames if "location_lat" in frame]


async def processed(client):
    """Wait until the server is through with what was sent: it answers in order."""
    number = len(client.frames)
    await client.send_text("")
    await client.until(lambda frames: any('"error"' in frame for frame in frames[number:]))
