"""Messages and frames for the tests of fixes and streams."""

import json
from datetime import UTC, datetime, timedelta


def ago(seconds):
    """Return the time so many seconds ago, as a phone writes it."""
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fix(lat, seconds_ago=None):
    """Return a fix on the prime meridian, as one of a batch."""
    measured = {} if seconds_ago is None else {"recorded_at": ago(seconds_ago)}
    return {"lat": lat, "lon": "0", **measured}


def location(lat, lon):
    """Return the location frame, byte for byte."""
    return f'{{"location_lat": "{lat}", "location_lon": "{lon}"}}'


def shown(watcher):
    """Return the latitudes that a watcher has received, in order."""
    frames = map(json.loads, watcher.frames)
    return [frame["location_lat"] for frame in frames if "location_lat" in frame]


async def processed(client):
    """Wait until the server has processed all that was sent: it answers in order."""
    number = len(client.frames)
    await client.send_text("")
    await client.until(lambda frames: any('"error"' in frame for frame in frames[number:]))
